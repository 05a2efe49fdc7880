// A field that takes files, by choosing or dropping, and sends each one to the server.
export default {
  template: `
    <div class="drop" :class="{ over }" @dragover.prevent="over = true" @dragleave="over = false"
         @drop.prevent="over = false; send($event.dataTransfer.files)">
      <label>
        <span>{{ label }}</span>
        <input type="file" ref="input" :multiple="multiple" @change="send($event.target.files)" />
      </label>
      <span v-if="last" class="note" role="status">last: {{ last }}</span>
      <progress v-if="share !== null" :value="share" max="1" aria-label="sending"></progress>
      <p v-if="problem" class="problem" role="alert">{{ problem }}</p>
    </div>
  `,
  props: { address: String, label: String, multiple: Boolean, most: Number },
  data: () => ({ over: false, share: null, problem: "", last: "" }),
  methods: {
    async send(list) {
      const files = [...list].slice(0, this.multiple ? undefined : 1);
      this.problem = "";
      const sent = [];
      for (const file of files) {
        if (file.size > this.most) {
          const most = Math.floor(this.most / 2 ** 20);
          this.problem = `${file.name} is too large: ${most} MB is the most that is taken here`;
          continue;
        }
        try {
          sent.push({ number: await this.put(file), name: file.name });
        } catch (error) {
          this.problem = error.message;
        }
      }
      this.share = null;
      this.$refs.input.value = "";
      if (sent.length) {
        // The field itself is empty again, so that the same file can be sent twice.
        this.last = sent.map((file) => file.name).join(", ");
        this.$emit("sent", sent);
      }
    },
    put(file) {
      return new Promise((resolve, reject) => {
        const request = new XMLHttpRequest();
        const lost = () => reject(new Error("the studio does not answer: is it still running?"));
        request.upload.onprogress = (event) => (this.share = event.loaded / event.total);
        request.onload = () => {
          if (request.status === 200) resolve(request.responseText);
          else reject(new Error(request.responseText));
        };
        request.onerror = lost;
        request.open("PUT", `${this.address}?name=${encodeURIComponent(file.name)}`);
        request.send(file);
      });
    },
  },
};
