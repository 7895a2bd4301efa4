// Time travel: a prior that the slider, the field, the line in the chart, the keyboard and the player move.

import { DAY, HOUR, MINUTE, clock, dayName, fromField, longDay, moment, toField } from "./times.js";

const STEPS = [5, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].map((minutes) => minutes * MINUTE);
const FAN = [6 * HOUR, 12 * HOUR, 24 * HOUR];
const SETTLED = 180; // ms without a move after which the neighbourhood is fetched

export class Travel {
  /**
   * @param controls the elements: slider, play, present, prior, speed, from, to
   * @param onMove called with the instant the line is at (null: now), for every frame of an animation
   * @param onFrame called with the prior (null: now) whose picture is to be drawn, and is there
   */
  constructor(controls, { zone, onMove, onFrame, onSettle, onError }) {
    Object.assign(this, { controls, zone, onMove, onFrame, onSettle, onError });
    this.prior = null;
    this.playing = false;
    this.range = { lo: 0, hi: 1, step: 1 };
    this.frames = null;
    controls.slider.addEventListener("input", () => { this.pause(); this.set(Number(controls.slider.value)); });
    controls.play.addEventListener("click", () => this.toggle());
    controls.present.addEventListener("click", () => this.leave());
    controls.prior.addEventListener("change", () => {
      this.pause();
      const prior = fromField(controls.prior.value, this.zone);
      if (prior === null) this.leave();
      else this.set(prior, { exactly: true });
    });
  }

  /** Another period, or another question about it. ``known``: when the first and last of its beliefs were held. */
  open(frames, { start, end, known, now, resolution }) {
    this.frames?.close();
    this.frames = frames;
    const margin = Math.max(7 * DAY, end - start);
    const hi = Math.min(now, Math.max(end, Math.min(known?.last ?? end, end + margin)));
    const lo = Math.min(hi, Math.max(known?.first ?? start, start - Math.min(margin, 7 * DAY)));
    const step = STEPS.find((each) => each >= Math.min(resolution, HOUR) && (hi - lo) / each <= 1200) ?? STEPS.at(-1);
    this.range = { lo: Math.floor(lo / step) * step, hi: Math.ceil(hi / step) * step, step };
    this.fan = FAN.map((each) => Math.ceil(each / step) * step);
    const { slider, from, to } = this.controls;
    Object.assign(slider, { min: this.range.lo, max: this.range.hi, step });
    from.textContent = `${dayName(this.range.lo, this.zone)} ${clock(this.range.lo, this.zone)}`;
    to.textContent = `${dayName(this.range.hi, this.zone)} ${clock(this.range.hi, this.zone)}`;
    this.#tell();
    if (this.prior !== null) this.#look(this.prior);
  }

  snap(instant) {
    const { lo, hi, step } = this.range;
    return Math.min(hi, Math.max(lo, Math.round(instant / step) * step));
  }

  /** Travel to a prior; ``exactly``: also between the slider's steps, and beyond its ends. */
  set(instant, { exactly = false } = {}) {
    this.prior = exactly ? instant : this.snap(instant);
    this.#tell();
    this.onMove(this.prior);
    this.#look(this.prior);
  }

  step(count) {
    this.pause();
    this.set((this.prior ?? this.range.hi) + count * this.range.step);
  }

  /** Back to everything known by now. */
  leave() {
    this.pause();
    this.prior = null;
    this.frames?.urgent?.abort();
    clearTimeout(this.settling);
    this.#tell();
    this.onMove(null);
    this.onFrame(null);
    this.onSettle();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.animation);
    this.#tell();
    if (this.prior !== null) this.#settle();
  }

  play() {
    const { lo, hi } = this.range;
    if (this.prior === null || this.prior >= hi) this.prior = lo;
    this.playing = true;
    this.#tell();
    let at = this.prior, before = null, shown = null;
    const tick = (time) => {
      if (!this.playing) return;
      const elapsed = before === null ? 0 : Math.min(time - before, 100);
      before = time;
      const next = Math.min(hi, at + (elapsed / 1000) * Number(this.controls.speed.value) * HOUR);
      const prior = this.#floor(next);
      if (this.frames.get(prior)) {
        at = next;
        this.prior = prior;
        this.onMove(at);
        if (prior !== shown) {
          shown = prior;
          this.onFrame(prior);
          this.#tell();
        }
      }
      this.#fetchAhead(prior);
      if (at >= hi) this.pause();
      else this.animation = requestAnimationFrame(tick);
    };
    this.animation = requestAnimationFrame(tick);
  }

  #floor(instant) {
    const { lo, step } = this.range;
    return Math.max(lo, Math.floor(instant / step) * step);
  }

  #fetchAhead(prior) {
    const { hi, step } = this.range, wanted = [];
    const perSecond = (Number(this.controls.speed.value) * HOUR) / step;
    const reach = Math.ceil(Math.min(Math.max(24, perSecond * 3), 240));
    for (let index = 0; index <= reach && prior + index * step <= hi; index += 1) {
      for (const back of [0, ...this.fan]) wanted.push(prior + index * step - back);
    }
    const missing = wanted.filter((each) => !this.frames.get(each));
    const many = missing.length >= Math.min(reach / 2, this.frames.atOnce); // a few at a time would be many requests
    if (many || !this.frames.get(prior) || (prior < hi && !this.frames.get(prior + step))) this.frames.fetchAhead(missing).catch((error) => this.#fail(error));
  }

  /** Draw the prior's picture, at once when it is here and else when it has come. */
  #look(prior) {
    const all = [prior, ...this.fan.map((back) => prior - back)];
    if (this.frames.get(prior)) this.onFrame(prior);
    clearTimeout(this.asking);
    this.asking = setTimeout(() => {
      const frames = this.frames;
      frames.fetchNow(all).then(() => {
        if (this.prior === prior && this.frames === frames) this.onFrame(prior);
      }).catch((error) => this.#fail(error));
    }, 25);
    this.#settle();
  }

  #settle() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      const { step } = this.range, near = [];
      for (let index = 1; index <= 16; index += 1) near.push(this.snap(this.prior + index * step), this.snap(this.prior - index * step));
      this.frames.fetchAhead(near).catch((error) => this.#fail(error));
      this.onSettle();
    }, SETTLED);
  }

  #fail(error) {
    if (error.name === "AbortError") return;
    this.pause();
    this.onError(error);
  }

  #tell() {
    const { slider, play, present, prior } = this.controls;
    const at = this.prior ?? this.range.hi;
    slider.value = at;
    slider.setAttribute("aria-valuetext", this.prior === null ? "now, everything known" : `as known at ${moment(at, this.zone)}`);
    if (document.activeElement !== prior || this.prior !== fromField(prior.value, this.zone)) {
      prior.value = this.prior === null ? "" : toField(this.prior, this.zone);
    }
    play.setAttribute("aria-pressed", String(this.playing));
    play.firstElementChild.textContent = this.playing ? "❚❚" : "▶";
    play.lastElementChild.textContent = this.playing ? "Pause" : "Play";
    present.setAttribute("aria-pressed", String(this.prior === null));
  }

  /** What stands beside the line in the chart. */
  label(instant) {
    return `as known ${longDay(instant, this.zone)} ${clock(instant, this.zone)}`;
  }
}
