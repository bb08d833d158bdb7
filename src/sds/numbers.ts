/** Numbers of streams and updates. Each is unique among all that share one of these, so that who hears of them can tell them apart. */
export class StreamNumbers {
  #streams = 0;
  #updates = 0;

  nextStream(): number {
    this.#streams += 1;
    return this.#streams;
  }

  nextUpdate(): number {
    this.#updates += 1;
    return this.#updates;
  }
}
