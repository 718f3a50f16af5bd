// Approval requests: as cards that a person answers.

import { useEffect, useRef, useState } from "preact/hooks";
import { Lasting, Moment, serverNow, when } from "./clock";
import type { Approval, Desk, Outcome } from "./model";
import { announce, Icon, Sentence, Theirs, Trouble, Unseen } from "./parts";

const SETTLING_MS = 700; // after a card came or went, a press may be meant for another
const STAYS_MS = 6000; // that an answered card says what the answer was
const STAYS_UNDER_POINTER_MS = 20_000;
const SIGNS: Record<string, string> = { destructive: "▲", disruptive: "◆", routine: "●" };

/** A request, and what became of it. */
export interface Card {
  approval: Approval;
  fate?: Fate;
  /** Whether an answer from here is on its way. */
  isAnswering?: boolean;
}

export interface Fate {
  how: "approved" | "rejected" | "gone";
  sentence: string;
}

/** The cards on the operator page, the oldest first: a new one comes in below, so that nothing moves under a hand. */
export class CardPile {
  cards: Card[] = [];
  private settled = 0;

  /** `changed` is called when a card goes by itself, or the buttons may be pressed again. */
  constructor(private changed: () => void) {}

  /** Whether buttons may be pressed now. */
  get armed(): boolean {
    return performance.now() >= this.settled;
  }

  /** Take the requests of a state. Returns those that are new. */
  take(desk: Desk): Approval[] {
    const pending = new Set(desk.pending.map((approval) => approval.code));
    const known = new Set(this.cards.map((card) => card.approval.code));
    const added = desk.pending.filter((approval) => !known.has(approval.code));
    this.cards = [...this.cards.map((card) => renewed(card, desk)), ...added.map((approval) => ({ approval }))];
    for (const card of this.cards) {
      if (!card.fate && !card.isAnswering && !pending.has(card.approval.code)) this.close(card.approval.code, fateOf(card.approval, desk));
    }
    if (added.length) this.settle();
    return added;
  }

  /** Whether an answer from here is on its way: it decides what the card says. */
  answering(code: string, isAnswering: boolean): void {
    for (const card of this.cards) if (card.approval.code === code) card.isAnswering = isAnswering;
  }

  /** Say what became of a request, where the buttons were; the card goes later. */
  close(code: string, fate: Fate): void {
    const card = this.cards.find((one) => one.approval.code === code);
    if (!card || card.fate) return;
    this.cards = this.cards.map((one) => (one === card ? { ...one, fate } : one));
    announce(`${fate.sentence} ${card.approval.question}`);
    const latest = performance.now() + STAYS_UNDER_POINTER_MS;
    const go = () => {
      if (document.querySelector(".cards:hover") && performance.now() < latest) return void setTimeout(go, 500);
      this.cards = this.cards.filter((one) => one.approval.code !== code);
      this.settle();
      this.changed();
    };
    setTimeout(go, STAYS_MS);
  }

  private settle(): void {
    this.settled = performance.now() + SETTLING_MS;
    setTimeout(this.changed, SETTLING_MS + 20);
  }
}

/** A card that says what has changed since it was asked. */
function renewed(card: Card, desk: Desk): Card {
  const approval = desk.pending.find((one) => one.code === card.approval.code);
  return approval && approval.changed !== card.approval.changed ? { ...card, approval } : card;
}

/** What became of a request that was not answered here. */
function fateOf(approval: Approval, desk: Desk): Fate {
  const decided = desk.decided.find((one) => one.code === approval.code);
  const why = decided?.reason ? ` “${decided.reason}”` : "";
  if (decided?.changed) {
    return { how: "gone", sentence: `Outdated: since it was asked, ${decided.changed}. The agent has asked again.` };
  }
  if (decided?.answer === "rejected") return { how: "rejected", sentence: `Rejected by ${decided.by}.${why}` };
  if (decided?.answer === "approved") return { how: "approved", sentence: `Approved by ${decided.by}.${why}` };
  if (serverNow() >= Date.parse(approval.expires_at)) {
    return { how: "gone", sentence: "Expired: nobody answered in time." };
  }
  return { how: "gone", sentence: "This request is not pending any more." };
}

/** What a person reads after their answer. */
export function answered(yes: boolean, until?: string, tool?: string): Fate {
  const what = tool === "request_grant" ? "take this grant; it is then listed under Approvals" : "make this one call";
  return yes
    ? { how: "approved", sentence: until ? `Approved. Until ${when(until)} the agent may ${what}.` : APPROVED }
    : { how: "rejected", sentence: "Rejected. The agent gets the answer no." };
}
const APPROVED = "Approved. The agent may now repeat exactly this call, once.";

export type Decide = (approval: Approval, yes: boolean, reason: string) => Promise<Outcome | void>;

export interface CardProps {
  card: Card;
  decide: Decide;
  armed: boolean;
  /** Whether the answer can have a reason. */
  reasons: boolean;
}

/** A request with Approve and Reject. `decide` returns a failed outcome when the answer did not count. */
export function ApprovalCard({ card: { approval, fate }, decide, armed, reasons }: CardProps) {
  const { code, tool, risk, question } = approval;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const [reason, setReason] = useState("");
  const body = useRef<HTMLElement>(null);
  const result = useRef<HTMLParagraphElement>(null);
  const hadFocus = useRef(false);
  const press = async (yes: boolean) => {
    if (busy || !armed || fate) return;
    setBusy(true);
    setProblem("");
    hadFocus.current = body.current!.contains(document.activeElement);
    const outcome = await decide(approval, yes, reason.trim());
    if (outcome?.failed) setProblem(outcome.text);
    setBusy(false);
  };
  useEffect(() => {
    if (fate && hadFocus.current) result.current?.focus({ preventScroll: true }); // which reads it out
  }, [fate]);
  return (
    <article
      class="card"
      ref={body}
      aria-labelledby={`question-${code}`}
      data-risk={risk}
      data-code={code}
      data-result={fate?.how}
    >
      <p class="facts">
        <span class={`badge risk-${risk}`}>
          <span aria-hidden="true">{SIGNS[risk] ?? "●"}</span> {risk}
        </span>
        <code>{tool}</code>
        {!fate && (
          <span class="left">
            <Lasting moment={approval.expires_at} down /> left
          </span>
        )}
      </p>
      <p class="question" id={`question-${code}`}>
        <Sentence text={question} />
      </p>
      {approval.changed && !fate && (
        <p class="changed">
          <Sentence text={`Since it was asked, ${approval.changed}. If the agent repeats its call, it asks again.`} />
        </p>
      )}
      {approval.asked_by && (
        <p class="facts">
          <span>
            Asked by <Theirs text={approval.asked_by} />
            {approval.asked_at && (
              <>
                {" "}
                at <Moment at={approval.asked_at} />
              </>
            )}
          </span>
          <code>{code}</code>
        </p>
      )}
      {fate ? (
        <p class="result" ref={result} tabIndex={-1}>
          {fate.sentence}
        </p>
      ) : (
        <div class="answers">
          {reasons && (
            <label class="field">
              Reason (optional)
              <input
                value={reason}
                maxLength={500}
                autocomplete="off"
                onInput={(event) => setReason(event.currentTarget.value)}
              />
            </label>
          )}
          <button
            type="button"
            aria-disabled={busy || !armed}
            aria-describedby={`question-${code}`}
            onClick={() => press(false)}
          >
            Reject
          </button>
          <button
            type="button"
            class="yes"
            aria-disabled={busy || !armed}
            aria-describedby={`question-${code}`}
            onClick={() => press(true)}
          >
            Approve
          </button>
        </div>
      )}
      <Trouble text={problem} />
    </article>
  );
}

/** Cards in a list. `label`: what a screen reader calls the list. */
export function Cards({ cards, label, ...props }: Omit<CardProps, "card"> & { cards: Card[]; label: string }) {
  if (!cards.length) return null;
  return (
    <ul class="cards" role="list" aria-label={label} data-armed={props.armed ? "" : undefined}>
      {cards.map((card) => (
        <li key={card.approval.code}>
          <ApprovalCard card={card} {...props} />
        </li>
      ))}
    </ul>
  );
}

export function ApprovalsHead({ id }: { id: string }) {
  return (
    <h2 id={id}>
      <Icon name="bell" /> Waiting for you<Unseen>: approval requests</Unseen>
    </h2>
  );
}
