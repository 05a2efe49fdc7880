// The browser's camera: each frame goes to the server when the one before has been answered, and is
// drawn with the skeletons that come back, so that both belong together.
const WIDTH = 480;
const FASTEST = 30; // frames a second
const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

export default {
  template: `
    <div class="camera">
      <div class="bar">
        <button type="button" class="switch" @click="toggle">
          {{ on ? "Switch the camera off" : "Switch the camera on" }}
        </button>
        <button v-if="on && seconds" type="button" class="switch" :class="{ counting: count }"
                :disabled="!!count || !record" @click="take">
          {{ count || (record ? "Record " + seconds + " s of " + record : "Name a class to record its clips") }}
        </button>
        <span v-if="on" class="note" role="status">{{ told }}</span>
      </div>
      <p v-if="problem" class="problem" role="alert">{{ problem }}</p>
      <video ref="video" muted playsinline hidden></video>
      <canvas v-show="on" ref="canvas" class="live" role="img" aria-label="camera with skeletons"></canvas>
      <div v-if="on" class="now" aria-live="polite">
        <span v-if="none" class="share"><b>none of these</b>; nearest:</span>
        <span v-for="[name, share, colour] in now" class="share"
              :style="{ '--share': share * 100 + '%', '--colour': colour }">
          {{ name }} <b v-if="share">{{ Math.round(100 * share) }} %</b>
        </span>
      </div>
    </div>
  `,
  props: { address: String, seconds: Number, record: String, bones: Array, colours: Array },
  data: () => ({ on: false, problem: "", now: [], none: false, told: "", count: "" }),
  unmounted() { this.off(); },
  methods: {
    toggle() { this.on ? this.off() : this.start(); },
    off() {
      if (!this.on) return;
      this.on = false;
      this.count = "";
      for (const track of this.stream.getTracks()) track.stop();
      this.$emit("off");
    },
    async start() {
      this.problem = "";
      try {
        const video = { width: { ideal: 640 }, frameRate: { ideal: 30 } };
        this.stream = await navigator.mediaDevices.getUserMedia({ video });
      } catch (error) {
        const safe = window.isSecureContext ? "" : " (browsers allow it on this machine or over https only)";
        this.problem = `the camera can't be used: ${error.message || error}${safe}`;
        return;
      }
      const video = this.$refs.video;
      video.srcObject = this.stream;
      await video.play();
      await fetch(this.address, { method: "DELETE" });
      this.now = [];
      this.on = true;
      this.loop();
    },
    async loop() {
      const video = this.$refs.video;
      const picture = document.createElement("canvas");
      picture.width = WIDTH;
      picture.height = Math.round((WIDTH * video.videoHeight) / video.videoWidth);
      const brush = picture.getContext("2d");
      const arrivals = [];
      while (this.on) {
        brush.drawImage(video, 0, 0, picture.width, picture.height);
        const time = performance.now() / 1000;
        const body = await new Promise((made) => picture.toBlob(made, "image/jpeg", 0.85));
        let answer;
        try {
          const found = await fetch(`${this.address}?time=${time}`, { method: "POST", body });
          if (!found.ok) throw new Error(await found.text());
          answer = await found.json();
        } catch (error) {
          this.problem = error.message;
          this.off();
          return;
        }
        if (!this.on) return;
        this.answered = time;
        this.draw(picture, answer.persons);
        if (answer.now) [this.now, this.none] = [answer.now, answer.none];
        arrivals.push(performance.now() / 1000);
        while (arrivals[0] < arrivals.at(-1) - 2) arrivals.shift();
        const rate = (arrivals.length - 1) / Math.max(arrivals.at(-1) - arrivals[0], 1e-3);
        const delay = Math.round(1000 * (arrivals.at(-1) - time));
        this.told = `${rate.toFixed(0)} frames a second, ${delay} ms behind` +
          (this.now.length ? "" : `; the first answer comes after ${answer.wait} s`);
        await wait(Math.max(time + 1 / FASTEST - performance.now() / 1000, 0));
      }
    },
    draw(picture, persons) {
      const canvas = this.$refs.canvas;
      [canvas.width, canvas.height] = [picture.width, picture.height];
      const brush = canvas.getContext("2d");
      brush.drawImage(picture, 0, 0);
      brush.lineWidth = 3;
      brush.lineCap = "round";
      for (const pose of persons) {
        for (const [a, b] of this.bones) {
          if (!(pose[a][2] > 0.3 && pose[b][2] > 0.3)) continue;
          brush.strokeStyle = this.colours[a];
          brush.beginPath();
          brush.moveTo(pose[a][0], pose[a][1]);
          brush.lineTo(pose[b][0], pose[b][1]);
          brush.stroke();
        }
      }
    },
    async take() {
      const record = this.record;
      for (const left of [3, 2, 1]) {
        this.count = `${left} …`;
        await wait(1);
        if (!this.on) return;
      }
      const since = performance.now() / 1000;
      this.count = "recording";
      await wait(this.seconds);
      const until = performance.now() / 1000;
      while (this.on && this.answered < until) await wait(0.02); // the last frame is on its way
      this.count = "";
      if (this.on) this.$emit("recorded", { since, until, record });
    },
  },
};
