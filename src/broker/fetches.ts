/** Fetches that are made of others. */
import type { Fetch, FetchListener } from '../workload-api/stream-call.ts';

/** One call for all who listen at a time. Who comes later gets its newest message first. */
export function shared<Message>(fetch: Fetch<Message>): Fetch<Message> {
  const listeners = new Set<FetchListener<Message>>();
  let newest: { readonly message: Message } | undefined;
  let cancelCall: (() => void) | undefined;
  const open = () => {
    newest = undefined;
    cancelCall = fetch({
      message(message) {
        newest = { message };
        for (const listener of [...listeners]) listener.message(message);
      },
      end(code, details) {
        const told = [...listeners];
        listeners.clear();
        for (const listener of told) listener.end(code, details);
      },
    });
  };
  return (listener) => {
    // Each fetch is its own, also of the same listener.
    const mine: FetchListener<Message> = {
      message: (message) => listener.message(message),
      end: (code, details) => listener.end(code, details),
    };
    listeners.add(mine);
    if (listeners.size === 1) open();
    else if (newest !== undefined) {
      const { message } = newest;
      queueMicrotask(() => listeners.has(mine) && listener.message(newest?.message ?? message));
    }
    return () => {
      if (listeners.delete(mine) && listeners.size === 0) cancelCall?.();
    };
  };
}

/** How two streams become one. */
export interface Joining<A, B, Selected, Message> {
  /** What of the second concerns the first. */
  readonly select: (a: A, b: B) => Selected;
  readonly same: (before: Selected, after: Selected) => boolean;
  readonly join: (a: A, selected: Selected) => Message;
  /** A message of the first is not needed any more. */
  readonly forget: (a: A) => void;
}

/**
 * A stream that says something once both have, and then with each message of the first, and with one of the second that changes what is
 * selected. It ends with the first of them that ends.
 */
export function joined<A, B, Selected, Message>(
  first: Fetch<A>,
  second: Fetch<B>,
  { select, same, join, forget }: Joining<A, B, Selected, Message>,
): Fetch<Message> {
  return (listener) => {
    let a: A | undefined;
    let b: B | undefined;
    let selected: Selected | undefined;
    let over = false;
    const cancels: (() => void)[] = [];
    const stop = () => {
      over = true;
      for (const cancel of cancels) cancel();
      if (a !== undefined) forget(a);
      a = undefined;
    };
    const end: FetchListener<unknown>['end'] = (code, details) => {
      if (over) return;
      stop();
      listener.end(code, details);
    };
    const say = (always: boolean) => {
      if (a === undefined || b === undefined) return;
      const before = selected;
      selected = select(a, b);
      if (always || before === undefined || !same(before, selected)) listener.message(join(a, selected));
    };
    cancels.push(
      first({
        message(message) {
          if (a !== undefined) forget(a);
          a = message;
          say(true);
        },
        end,
      }),
      second({
        message(message) {
          b = message;
          say(false);
        },
        end,
      }),
    );
    return stop;
  };
}

/** The same stream with other messages. */
export function mapped<A, B>(fetch: Fetch<A>, change: (message: A) => B): Fetch<B> {
  return (listener) =>
    fetch({ message: (message) => listener.message(change(message)), end: (code, details) => listener.end(code, details) });
}
