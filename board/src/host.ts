// The page in a host that renders MCP Apps: it calls the server's tools through the host, as the model does.

import type { Approval, Board, Outcome } from "./model";
import { Host } from "./rpc";

const VERSION = "2026-01-26";
const INTERVAL_MS = 3_000; // between two looks, while a person can see the page
const MAX_INTERVAL_MS = 30_000; // while looking fails
const CARD = "telnyx-conferencing/card";
const FOR_PERSON = "telnyx-conferencing/for-person";
const PENDING = "telnyx-conferencing/pending";

/** An approval as a card: with the secret by which its buttons answer it. */
export interface SecretCard {
  approval: Approval;
  secret: string;
}

/** What the page shows. */
export interface Shown {
  board?: Board;
  card?: SecretCard;
  /** Why the page may be old, as a sentence; empty while it is current. */
  trouble: string;
  /** By how many milliseconds this clock is ahead of the server's. */
  ahead: number;
}

interface Result {
  content?: { type: string; text?: string }[];
  structuredContent?: { board?: Board; approval?: Approval & { now: string } };
  _meta?: Record<string, any>;
  isError?: boolean;
}

interface Context {
  theme?: "light" | "dark";
  styles?: { variables?: Record<string, string | undefined>; css?: { fonts?: string } };
  displayMode?: string;
  availableDisplayModes?: string[];
  safeAreaInsets?: Record<"top" | "right" | "bottom" | "left", number>;
  locale?: string;
}

export class HostSource {
  private host = new Host();
  private show: (change: Partial<Shown>) => void = () => {};
  private can: Record<string, unknown> = {};
  private context: Context = {};
  private seen = true;
  private isBoard = false;
  private pause = INTERVAL_MS;
  private timer = 0;
  private looking = false;

  start(show: (change: Partial<Shown>) => void): void {
    this.show = show;
    this.host.on<Result>("ui/notifications/tool-result", (result) => this.take(result));
    this.host.on<{ reason?: string }>("ui/notifications/tool-cancelled", () =>
      show({ trouble: "The call that was to show this was cancelled." }),
    );
    this.host.on<Context>("ui/notifications/host-context-changed", (context) => this.follow(context));
    this.host.answer("ui/resource-teardown", () => (this.stop(), {}));
    void this.greet();
    addEventListener("visibilitychange", () => this.soon());
    new IntersectionObserver(([entry]) => {
      const seen = entry?.isIntersecting ?? true;
      if (seen && !this.seen) this.soon();
      this.seen = seen;
    }).observe(document.documentElement);
    new ResizeObserver(() => this.tellSize()).observe(document.body);
  }

  private async greet(): Promise<void> {
    const appInfo = { name: "telnyx-conferencing-switchboard", title: "Switchboard", version: "1" };
    const appCapabilities = { availableDisplayModes: ["inline", "fullscreen"] };
    try {
      const hello = await this.host.ask<{ hostCapabilities?: Record<string, unknown>; hostContext?: Context }>(
        "ui/initialize",
        { protocolVersion: VERSION, appInfo, appCapabilities },
        30_000,
      );
      this.can = hello.hostCapabilities ?? {};
      this.follow(hello.hostContext ?? {});
      this.host.notify("ui/notifications/initialized");
      this.tellSize();
    } catch (why) {
      this.show({ trouble: (why as Error).message });
    }
  }

  private follow(context: Context): void {
    this.context = { ...this.context, ...context };
    const root = document.documentElement;
    if (context.theme) root.style.colorScheme = context.theme;
    if (context.locale) root.lang = "en"; // what is written here is English, whatever the host speaks
    for (const [name, value] of Object.entries(context.styles?.variables ?? {})) {
      if (/^--[\w-]+$/.test(name) && value) root.style.setProperty(name, value);
    }
    const inset = context.safeAreaInsets;
    if (inset) document.body.style.padding = `${inset.top}px ${inset.right}px ${inset.bottom}px ${inset.left}px`;
    root.dataset["mode"] = this.context.displayMode ?? "inline";
  }

  private tellSize(): void {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    this.host.notify("ui/notifications/size-changed", { width: Math.ceil(innerWidth), height });
  }

  /** What a result shows: a board, which is then looked at again and again, or a card. */
  private take(result: Result): void {
    const { board, approval } = result.structuredContent ?? {};
    const secret = result._meta?.[CARD]?.secret;
    if (board) {
      this.isBoard = true;
      this.show({ board, trouble: "", ahead: Date.now() - Date.parse(board.now) });
      this.soon(this.pause);
    } else if (approval && typeof secret === "string") {
      this.show({ card: { approval, secret }, trouble: "", ahead: Date.now() - Date.parse(approval.now) });
    } else {
      this.show({ trouble: textOf(result) || "There is nothing to show." });
    }
  }

  private soon(after = 0): void {
    clearTimeout(this.timer);
    if (this.isBoard) this.timer = setTimeout(() => void this.look(), after);
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.isBoard = false;
  }

  /** Look once, and again a while after the answer: never two at a time, and not while nobody can see it. */
  private async look(): Promise<void> {
    if (this.looking || !this.seen || document.visibilityState === "hidden") return;
    this.looking = true;
    try {
      const result = await this.call("show_switchboard", {});
      if (result.isError) throw new Error(textOf(result));
      this.pause = INTERVAL_MS;
      if (this.isBoard) this.take(result);
    } catch (why) {
      this.pause = Math.min(MAX_INTERVAL_MS, this.pause * 2);
      this.show({ trouble: (why as Error).message });
      this.soon(this.pause);
    } finally {
      this.looking = false;
    }
  }

  private call(name: string, given: Record<string, unknown>): Promise<Result> {
    return this.host.ask<Result>("tools/call", { name, arguments: given });
  }

  private async outcome(name: string, given: Record<string, unknown>): Promise<[Outcome, Result]> {
    try {
      const result = await this.call(name, given);
      const pending = result._meta?.[PENDING];
      const text = result._meta?.[FOR_PERSON] ?? textOf(result); // the text of an error is for a model
      return [{ failed: !!result.isError, text, ...(pending && { pending }) }, result];
    } catch (why) {
      return [{ failed: true, text: (why as Error).message }, {}];
    }
  }

  async act(tool: string, given: Record<string, unknown>): Promise<Outcome> {
    const [outcome] = await this.outcome(tool, given);
    this.soon();
    return outcome;
  }

  async card(code: string): Promise<SecretCard | Outcome> {
    const [outcome, result] = await this.outcome("show_approval", { approval: code });
    const approval = result.structuredContent?.approval;
    const secret = result._meta?.[CARD]?.secret;
    return approval && typeof secret === "string" ? { approval, secret } : { ...outcome, failed: true };
  }

  async decide({ approval, secret }: SecretCard, yes: boolean): Promise<Outcome> {
    const { code } = approval;
    const [outcome] = await this.outcome("decide_approval", { approval: code, secret, yes });
    if (!outcome.failed && this.can["message"]) {
      const text = yes ? `I approved ${code}: repeat that call now.` : `I rejected ${code}: do not do that.`;
      void this.host.ask("ui/message", { role: "user", content: [{ type: "text", text }] }).catch(() => {});
    }
    this.soon();
    return outcome;
  }

  /** Whether the host can show this larger. */
  get grows(): boolean {
    return this.context.availableDisplayModes?.includes("fullscreen") ?? false;
  }

  async grow(): Promise<void> {
    const mode = this.context.displayMode === "fullscreen" ? "inline" : "fullscreen";
    const given = await this.host.ask<{ mode?: string }>("ui/request-display-mode", { mode });
    this.follow({ displayMode: given.mode ?? mode });
  }
}

function textOf(result: Result): string {
  const texts = (result.content ?? []).filter((block) => block.type === "text").map((block) => block.text ?? "");
  return texts.join("\n");
}
