// JSON-RPC with the host that shows this page: MCP Apps, protocol 2026-01-26.

type Params = Record<string, unknown>;
type Answer = (params: Params) => unknown;

interface Message {
  jsonrpc?: string;
  id?: number | string;
  method?: string;
  params?: Params;
  result?: unknown;
  error?: { message?: string };
}

const PATIENCE = 330_000; // a person may be asked before a call is carried out

/** The host, reached by messages. */
export class Host {
  private asked = 0;
  private waiting = new Map<number | string, { done: (result: any) => void; failed: (why: Error) => void }>();
  private told = new Map<string, (params: any) => void>();
  private answers = new Map<string, Answer>([["ping", () => ({})]]);

  constructor() {
    addEventListener("message", ({ source, data }) => {
      if (source === parent && data && (data as Message).jsonrpc === "2.0") this.take(data as Message);
    });
  }

  /** Be told of a notification. */
  on<T>(method: string, told: (params: T) => void): void {
    this.told.set(method, told);
  }

  /** Answer a request. */
  answer(method: string, answer: Answer): void {
    this.answers.set(method, answer);
  }

  notify(method: string, params: Params = {}): void {
    this.send({ method, params });
  }

  /** Ask the host. Throws what it refuses, and when it does not answer. */
  ask<T>(method: string, params: Params = {}, patience = PATIENCE): Promise<T> {
    const id = (this.asked += 1);
    return new Promise<T>((done, failed) => {
      const late = setTimeout(() => this.settle(id)?.failed(new Error("The host did not answer.")), patience);
      this.waiting.set(id, {
        done: (result) => (clearTimeout(late), done(result)),
        failed: (why) => (clearTimeout(late), failed(why)),
      });
      this.send({ id, method, params });
    });
  }

  private send(message: Message): void {
    parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
  }

  private settle(id: number | string) {
    const one = this.waiting.get(id);
    this.waiting.delete(id);
    return one;
  }

  private take({ id, method, params, result, error }: Message): void {
    if (method !== undefined && id !== undefined) {
      const answer = this.answers.get(method);
      const said = answer ? { result: answer(params ?? {}) } : { error: { code: -32601, message: "Unknown method" } };
      this.send({ id, ...said } as Message);
    } else if (method !== undefined) {
      this.told.get(method)?.(params ?? {});
    } else if (id !== undefined) {
      const one = this.settle(id);
      if (error) one?.failed(new Error(error.message ?? "The host refused."));
      else one?.done(result);
    }
  }
}
