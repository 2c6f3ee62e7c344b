/** Keeps the end of an answer in view, unless the reader has scrolled away. */

const NEAR = 40;

/** Follows `scroller`'s end; `jump` is the button that leads back to it. */
export class Follower {
  constructor(scroller, jump) {
    Object.assign(this, { scroller, jump, following: true, top: 0 });
    scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    scroller.addEventListener("wheel", (event) => this.wheeled(event), { passive: true });
    new ResizeObserver(() => this.grown()).observe(scroller);
    jump.addEventListener("click", () => this.toEnd());
  }

  /** Call after the content has grown. */
  grown() {
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.top = this.scroller.scrollTop;
    this.jump.hidden = this.following || this.distance() < NEAR;
  }

  /** Goes to the end and follows it. */
  toEnd() {
    this.following = true;
    this.grown();
  }

  distance() {
    return this.scroller.scrollHeight - this.scroller.clientHeight - this.scroller.scrollTop;
  }

  /** A wheel turned upwards counts at once, before its smooth scrolling has begun. */
  wheeled({ deltaY }) {
    if (deltaY < 0 && this.scroller.scrollTop > 0) this.following = false;
  }

  /** Any step upwards is the reader's wish to stay there; coming back near the end follows it again. */
  scrolled() {
    const { scrollTop } = this.scroller;
    if (scrollTop < this.top && this.distance() > 1) this.following = false;
    else if (scrollTop > this.top && this.distance() < NEAR) this.following = true;
    this.top = scrollTop;
    this.jump.hidden = this.following || this.distance() < NEAR;
  }
}
