/** A call and what the service reports of it. */

import { isObject } from "./errors.js";
import type { WorkDoneBegin, WorkDoneEnd, WorkDoneReport } from "./protocol.js";

/** What a service reports of a call: once that it begins, now and then how far it is, once that it ends. */
export type Progress = WorkDoneBegin | WorkDoneReport | WorkDoneEnd;

/**
 * A call under way. Iterating over it tells how far it is, and fails as the call does; a caller who is
 * slow sees fewer reports, and later ones. `result` is the call's own.
 */
export class Followed<R> implements AsyncIterable<Progress> {
  readonly result: Promise<R>;
  /** What was reported and nobody has looked at yet: no more than one of each. */
  readonly #unseen = new Map<Progress["kind"], Progress>();
  #over = false;
  #wake: (() => void) | undefined;

  constructor(call: (report: (value: unknown) => void) => Promise<R>) {
    this.result = call((value) => {
      this.#report(value);
    });
    const end = (): void => {
      this.#over = true;
      this.#wake?.();
    };
    // Who iterates is told by the iteration, and who waits by `result`.
    this.result.then(end, end);
  }

  #report(value: unknown): void {
    // Those of a later version are ignored.
    if (!isProgress(value)) return;
    this.#unseen.set(value.kind, value);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Progress, void, undefined> {
    for (;;) {
      for (const kind of ["begin", "report", "end"] as const) {
        const value = this.#unseen.get(kind);
        this.#unseen.delete(kind);
        if (value !== undefined) yield value;
      }
      if (this.#unseen.size > 0) continue;
      if (this.#over) break;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    await this.result;
  }
}

function isProgress(value: unknown): value is Progress {
  return isObject(value) && ["begin", "report", "end"].includes(value["kind"] as string);
}
