// The switchboard in a host that renders MCP Apps: a part of a conversation.

import { Component, render } from "preact";
import { useState } from "preact/hooks";
import { answered, ApprovalCard, type Card } from "./approvals";
import { Lasting, setAhead } from "./clock";
import { HostSource, type SecretCard, type Shown } from "./host";
import { type Approval, type Board, type Buttons, kept, type Outcome } from "./model";
import { Figures, Now } from "./now";
import { count, Icon, Sentence, Theirs, Trouble } from "./parts";

const SHOWN_FOR_MS = 12_000;

interface State extends Shown {
  outcome?: Outcome;
}

class Switchboard extends Component<{ source: HostSource }, State> {
  override state: State = { trouble: "", ahead: 0 };
  private waiting: Partial<Shown> | undefined;
  private timer = 0;
  private buttons: Buttons = { press: (tool, args) => this.press(tool, args), can: () => false };
  private actions = "";

  override componentDidMount(): void {
    this.props.source.start((change) => this.take(change));
  }

  /** Changes are drawn together, once a frame. */
  private take(change: Partial<Shown>): void {
    if (!this.waiting) {
      const draw = () => {
        const { board, ...rest } = this.waiting!;
        this.waiting = undefined;
        if (rest.ahead !== undefined) setAhead(rest.ahead);
        if (board) this.allow(board);
        this.setState((state) => ({ ...rest, ...(board && { board: kept(state.board, board) }) }));
      };
      if (document.visibilityState === "hidden") setTimeout(draw, 250);
      else requestAnimationFrame(draw);
    }
    this.waiting = { ...this.waiting, ...change };
  }

  private allow(board: Board): void {
    const actions = board.actions.join();
    if (actions === this.actions) return;
    this.actions = actions;
    this.buttons = { ...this.buttons, can: (tool) => board.actions.includes(tool) };
  }

  private say = (outcome: Outcome): void => {
    clearTimeout(this.timer);
    this.setState({ outcome });
    this.timer = setTimeout(() => this.setState({ outcome: undefined as never }), SHOWN_FOR_MS);
  };

  private async press(tool: string, args: Record<string, unknown>): Promise<void> {
    const { text, ...outcome } = await this.props.source.act(tool, args);
    this.say({ ...outcome, text: outcome.failed ? text : "" }); // a success is seen
  }

  override render({ source }: { source: HostSource }, { board, card, trouble, outcome }: State) {
    if (card) return <main class="alone"><SecretCardPart card={card} source={source} alone /></main>;
    if (!board) return <main class="alone"><p class="quiet" role="status">{trouble || "Looking at the line …"}</p></main>;
    const about = (room: string | undefined) =>
      board.approvals.filter((approval) => (board.rooms.some(({ id }) => id === approval.room) ? approval.room : undefined) === room);
    const notices = (approvals: Approval[]) =>
      approvals.length ? (
        <ul class="cards" role="list" aria-label="Approval requests">
          {approvals.map((approval) => (
            <li key={approval.code || approval.question}>
              <Notice approval={approval} source={source} cards={board.cards ?? false} say={this.say} />
            </li>
          ))}
        </ul>
      ) : null;
    return (
      <main class="board">
        <header class="head">
          <h1>Switchboard</h1>
          <Figures live={board} />
          <p class="live" role="status" data-live={trouble ? "no" : "yes"}>
            {trouble || "Live"}
          </p>
          {source.grows && (
            <button type="button" onClick={() => void source.grow()}>
              <Icon name="grow" /> Larger
            </button>
          )}
        </header>
        {board.stopped && (
          <p class="stopped">
            <Icon name="stop" /> <span>The agent is paused by <Theirs text={board.stopped} /></span>
          </p>
        )}
        <div class="say" aria-live="polite">{outcome && <OutcomePart outcome={outcome} />}</div>
        <Now live={board} buttons={this.buttons} aboutRoom={(room) => notices(about(room))}>
          {notices(about(undefined))}
          {board.others_waiting ? <p class="more">{count(board.others_waiting, "question")} of other conversations wait too.</p> : null}
        </Now>
      </main>
    );
  }
}

export function OutcomePart({ outcome }: { outcome: Outcome }) {
  if (outcome.pending) {
    return (
      <p class="hint">
        This needs a person's approval, and waits as <code>{outcome.pending}</code>. Press the button again once it is
        approved.
      </p>
    );
  }
  return outcome.text ? <p class={outcome.failed ? "trouble" : "result"}>{outcome.text}</p> : null;
}

interface NoticeProps {
  approval: Approval;
  source: HostSource;
  /** Whether a person may answer here, by cards. */
  cards: boolean;
  say: (outcome: Outcome) => void;
}

function Notice({ approval, source, cards, say }: NoticeProps) {
  const [card, setCard] = useState<SecretCard>();
  const [trouble, setTrouble] = useState("");
  const open = async () => {
    const found = await source.card(approval.code);
    if ("secret" in found) setCard(found);
    else setTrouble(found.text);
  };
  if (card) return <SecretCardPart card={card} source={source} say={say} />;
  return (
    <article class="card" data-risk={approval.risk}>
      <p class="facts">
        <span class={`badge risk-${approval.risk}`}>{approval.risk}</span>
        <code>{approval.tool}</code>
        <span class="left">
          <Lasting moment={approval.expires_at} down /> left
        </span>
      </p>
      <p class="question">
        <Sentence text={approval.question} />
      </p>
      <Trouble text={trouble} />
      {cards ? (
        <button type="button" onClick={open}>
          Answer …
        </button>
      ) : (
        <p class="hint">A person answers it outside this page.</p>
      )}
    </article>
  );
}

/** A card with the secret that lets its buttons answer. */
function SecretCardPart({ card, source, say, alone }: { card: SecretCard; source: HostSource; say?: (outcome: Outcome) => void; alone?: boolean }) {
  const [shown, setShown] = useState<Card>({ approval: card.approval });
  const decide = async (_: Approval, yes: boolean): Promise<Outcome> => {
    const outcome = await source.decide(card, yes);
    if (outcome.failed) return outcome;
    const fate = answered(yes);
    setShown({ approval: card.approval, fate });
    say?.({ failed: false, text: fate.sentence }); // the notice itself goes
    return outcome;
  };
  return (
    <>
      {alone && (
        <h1>
          <Icon name="bell" /> {shown.fate ? (shown.fate.how === "approved" ? "Approved" : "Rejected") : "Do you approve this?"}
        </h1>
      )}
      <ApprovalCard card={shown} decide={decide} armed reasons={false} />
    </>
  );
}

render(<Switchboard source={new HostSource()} />, document.getElementById("root")!);
