// A clip that moves: skeletons over its video or on plain ground, and its timeline below.
const ROUND = 2 * Math.PI;

export default {
  template: `
    <div class="player" @keydown="key">
      <div class="stage" ref="stage" :style="{ aspectRatio: width + ' / ' + height }">
        <video v-if="clip.video" ref="video" :src="clip.video" muted playsinline preload="auto"
               @ended="restart" @loadedmetadata="seek(frame)"></video>
        <canvas ref="canvas" role="img" :aria-label="'skeletons of ' + clip.name"></canvas>
      </div>
      <div class="bar">
        <button type="button" class="play" @click="toggle" :aria-label="playing ? 'pause' : 'play'">
          {{ playing ? "❚❚" : "▶" }}
        </button>
        <input type="range" min="0" :max="clip.frames - 1" v-model.number="frame" @input="seek(frame)"
               aria-label="frame" :aria-valuetext="time" />
        <span class="time">{{ time }}</span>
        <label v-if="clip.video"><input type="checkbox" v-model="plain" @change="draw" /> skeletons only</label>
      </div>
      <div v-for="person in clip.persons.filter((one) => one.windows.length)" class="person">
        <div class="now">
          <strong :style="{ color: person.colour }">{{ person.name }}</strong>
          <template v-if="answer(person)?.top">
            <span v-if="answer(person).none" class="share"><b>{{ answer(person).none }}</b>; nearest:</span>
            <span v-for="[name, share, colour] in answer(person).top" class="share"
                  :style="{ '--share': share * 100 + '%', '--colour': colour }">
              {{ name }} <b>{{ Math.round(100 * share) }} %</b>
            </span>
          </template>
          <span v-else class="share">not seen</span>
        </div>
        <div class="timeline" :aria-label="'timeline of ' + person.name" role="group"
             @click="seek(Math.floor($event.offsetX / $event.currentTarget.clientWidth * clip.frames))">
          <button v-for="action in person.actions" type="button" class="action"
                  :style="{ left: share(action.start), width: share(action.end - action.start), '--colour': action.colour }"
                  :title="told(action)" :aria-label="told(action)" @click.stop="jump($event, action)">
            {{ action.name }}
          </button>
          <span class="cursor" :style="{ left: share(frame + 0.5) }"></span>
        </div>
      </div>
    </div>
  `,
  props: { clip: Object, hidden: Array, weights: Array },
  data: () => ({ frame: 0, playing: false, plain: false }),
  computed: {
    width() { return this.clip.size[1]; },
    height() { return this.clip.size[0]; },
    time() {
      const total = this.clip.frames / this.clip.fps;
      return `${(this.frame / this.clip.fps).toFixed(2)} / ${total.toFixed(2)} s`;
    },
  },
  watch: {
    // The object is a new one whenever any property changes.
    "clip.poses"() { this.load(); },
    hidden() { this.draw(); },
    weights() { this.draw(); },
  },
  mounted() {
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.$refs.stage);
    this.load();
  },
  unmounted() {
    this.observer.disconnect();
    cancelAnimationFrame(this.tick);
  },
  methods: {
    async load() {
      this.playing = false;
      this.frame = 0;
      this.poses = null;
      const clip = this.clip;
      const answer = await fetch(clip.poses);
      if (!answer.ok || clip !== this.clip) return;
      this.poses = new Float32Array(await answer.arrayBuffer());
      this.draw();
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (clip.plays && !still) this.toggle();
    },
    answer(person) {
      const found = person.windows.length
        ? person.windows.reduce((best, one) =>
            Math.abs(one.middle - this.frame) < Math.abs(best.middle - this.frame) ? one : best)
        : null;
      return found;
    },
    told(action) {
      const [start, end] = [action.start, action.end].map((f) => (f / this.clip.fps).toFixed(1));
      const sure = action.probability === null ? "" : `, ${Math.round(100 * action.probability)} %`;
      return `${start} to ${end} s: ${action.name}${sure}`;
    },
    share(frames) { return `${(100 * frames) / this.clip.frames}%`; },
    jump(event, action) {
      // With the keyboard there is no place within the button: go to its middle.
      const box = event.currentTarget.getBoundingClientRect();
      const inside = event.detail ? (event.clientX - box.left) / box.width : 0.5;
      this.seek(Math.floor(action.start + inside * (action.end - action.start)));
    },
    seek(frame) {
      this.frame = Math.min(Math.max(frame, 0), this.clip.frames - 1);
      const video = this.$refs.video;
      if (video) video.currentTime = (this.frame + 0.5) / this.clip.fps;
      this.begun = performance.now() - (1000 * this.frame) / this.clip.fps;
      this.draw();
      this.$emit("seek", this.frame);
    },
    now() { return this.frame; },
    toggle() {
      this.playing = !this.playing;
      const video = this.$refs.video;
      if (video) this.playing ? video.play().catch(() => (this.playing = false)) : video.pause();
      this.begun = performance.now() - (1000 * this.frame) / this.clip.fps;
      if (this.playing) this.step();
      else this.$emit("seek", this.frame);
    },
    restart() {
      this.$refs.video.currentTime = 0;
      if (this.playing) this.$refs.video.play();
    },
    step() {
      if (!this.playing) return;
      const video = this.$refs.video;
      const seconds = video ? video.currentTime : (performance.now() - this.begun) / 1000;
      const frame = Math.floor(seconds * this.clip.fps + 1e-3);
      this.frame = video ? Math.min(frame, this.clip.frames - 1) : frame % this.clip.frames;
      this.draw();
      this.tick = requestAnimationFrame(() => this.step());
    },
    key(event) {
      if (["INPUT", "BUTTON"].includes(event.target.tagName)) return;
      if (event.key === " ") { this.toggle(); event.preventDefault(); }
    },
    draw() {
      const canvas = this.$refs.canvas;
      if (!canvas || !this.poses) return;
      const scale = (this.$refs.stage.clientWidth * devicePixelRatio) / this.width;
      canvas.width = Math.max(Math.round(this.width * scale), 1);
      canvas.height = Math.max(Math.round(this.height * scale), 1);
      const brush = canvas.getContext("2d");
      if (!this.clip.video || this.plain) {
        brush.fillStyle = "#10151c";
        brush.fillRect(0, 0, canvas.width, canvas.height);
      }
      const line = Math.max(canvas.width / 220, 1.5);
      brush.lineCap = "round";
      const joints = this.clip.colours.length;
      this.clip.persons.forEach((person, p) => {
        const start = (this.frame * this.clip.persons.length + p) * joints * 3;
        const pose = [...Array(joints).keys()].map((joint) => {
          const [x, y, score] = this.poses.subarray(start + 3 * joint, start + 3 * joint + 3);
          const shown = score > 0 && !(this.hidden || []).includes(joint);
          return { x: x * scale, y: y * scale, opacity: !shown ? 0 : score < this.clip.unsure ? 0.3 : 1 };
        });
        for (const [a, b] of this.clip.bones) {
          brush.globalAlpha = Math.min(pose[a].opacity, pose[b].opacity);
          if (!brush.globalAlpha) continue;
          brush.strokeStyle = this.clip.colours[a];
          brush.lineWidth = 1.6 * line;
          brush.beginPath();
          brush.moveTo(pose[a].x, pose[a].y);
          brush.lineTo(pose[b].x, pose[b].y);
          brush.stroke();
        }
        pose.forEach(({ x, y, opacity }, joint) => {
          if (!opacity) return;
          const weight = (this.weights && this.weights[joint]) || 0;
          brush.globalAlpha = opacity;
          brush.fillStyle = this.clip.colours[joint];
          brush.beginPath();
          brush.arc(x, y, 1.6 * line, 0, ROUND);
          brush.fill();
          if (weight > 0.05) {
            // The more the answer loses without a joint, the wider its ring.
            brush.strokeStyle = "#F0E442";
            brush.lineWidth = line;
            brush.beginPath();
            brush.arc(x, y, line * (2.5 + 6 * weight), 0, ROUND);
            brush.stroke();
          }
        });
        brush.globalAlpha = 1;
        const top = pose.filter((joint) => joint.opacity).sort((a, b) => a.y - b.y)[0];
        if (top && this.clip.persons.length > 1) {
          brush.font = `bold ${9 * line}px sans-serif`;
          brush.fillStyle = person.colour;
          brush.fillText(`${p + 1}`, top.x, top.y - 5 * line);
        }
      });
    },
  },
};
