// The operator page: what happens now, approvals, history and the audit, with the switch that pauses the agent.

import { Component, render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { follow, forgetKey, get, post, type Problem } from "./api";
import { answered, ApprovalsHead, type Card, CardPile, Cards, type Decide } from "./approvals";
import { Audit } from "./audit";
import { Lasting, setAhead, when } from "./clock";
import { ConferencePage, History } from "./history";
import { type Approval, type Buttons, type Desk, type Grant, kept, type Live, type Outcome } from "./model";
import { Figures, Now } from "./now";
import { announce, count, Icon, Theirs, Trouble, Unseen } from "./parts";
import { Report } from "./report";
import { Link, usePath } from "./route";
import { Sessions } from "./sessions";
import { SignIn, type Way } from "./sign_in";
import { hasNotifications, notificationsAreOn, signal, soundIsOn, turnNotifications, turnSound } from "./signals";

const OUTCOME_SHOWN_MS = 12_000;
const TOLD = 3; // of what comes at the same moment
const SWITCH_SETTLING_MS = 1000; // in which a press may be the second half of a double one

interface Session {
  signed_in: boolean;
  way: Way;
  person?: string;
  may_read?: boolean;
}

/** Signs in, and then shows the view that the address names. */
function Page() {
  const [session, setSession] = useState<Session>();
  const [why, setWhy] = useState("");
  const look = () =>
    void get<Session>("session").then(setSession, (problem: Problem) => {
      setWhy(problem.message);
      setTimeout(look, 2000);
    });
  useEffect(look, []);
  if (!session) return <main class="alone"><p class="quiet" role="status">{why || "Looking at the server …"}</p></main>;
  if (!session.signed_in) {
    document.title = "Sign in · Switchboard";
    return <SignIn way={session.way} why={why} done={() => (setWhy(""), look())} />;
  }
  const ended = (reason: string) => {
    forgetKey();
    setWhy(reason);
    setSession({ signed_in: false, way: session.way });
  };
  return <Workplace session={session} ended={ended} />;
}

interface State {
  desk?: Desk;
  lost: string;
  outcome?: Outcome;
  cards: Card[];
  armed: boolean;
}

interface WorkplaceProps {
  session: Session;
  ended: (why: string) => void;
}

class Workplace extends Component<WorkplaceProps, State> {
  override state: State = { lost: "Connecting …", cards: [], armed: true };
  private pile = new CardPile(() => this.deal());
  private waiting: Desk | undefined;
  private alerts: Set<string> | undefined;
  private timer = 0;
  private buttons: Buttons = { press: (tool, args) => this.press(tool, args), can: () => false };
  private actions = "";
  /** Presses of buttons here that wait for an approval, by its code: the person who gives it need not press again. */
  private presses = new Map<string, () => Promise<void>>();
  private isOver = false;
  /** A server that has restarted counts its states from the beginning. */
  private isNewStream = false;

  override componentDidMount(): void {
    void follow({
      state: (desk) => this.take(desk),
      lost: (lost) => {
        this.isNewStream = true;
        this.setState({ lost });
      },
      ended: (why) => this.end(why),
    });
  }

  private end(why: string): void {
    if (!this.isOver) this.props.ended(why);
    this.isOver = true;
  }

  /** States are drawn once a frame; an answer may have overtaken the stream. */
  private take = (desk: Desk): void => {
    const isOlder = desk.number < (this.waiting ?? this.state.desk ?? desk).number;
    if (this.isOver || (isOlder && !this.isNewStream)) return;
    this.isNewStream = false;
    if (!this.waiting) {
      const draw = () => {
        const next = this.waiting!;
        this.waiting = undefined;
        this.show(next);
      };
      if (document.visibilityState === "hidden") setTimeout(draw, 100);
      else requestAnimationFrame(draw);
    }
    this.waiting = desk;
  };

  private show(desk: Desk): void {
    setAhead(Date.now() - Date.parse(desk.calls_now), Date.now() - Date.parse(desk.now));
    const actions = (desk.actions ?? []).join();
    if (actions !== this.actions) {
      this.actions = actions;
      this.buttons = { ...this.buttons, can: (tool) => actions.split(",").includes(tool) };
    }
    const isFirst = !this.state.desk;
    const approvals = this.pile.take(desk);
    const alerts = (desk.alerts ?? []).filter((alert) => this.alerts && !this.alerts.has(alert.id));
    this.alerts = new Set(desk.alerts?.map((alert) => alert.id));
    const news = [
      ...approvals.map((approval) => `A new approval request, ${approval.risk}: ${approval.question}`),
      ...alerts.map((alert) => `Alert: ${alert.text}`),
    ];
    if (news.length) {
      const text = [...news.slice(0, TOLD), ...(news.length > TOLD ? [`And ${news.length - TOLD} more.`] : [])].join(" ");
      announce(text);
      if (!isFirst) signal(approvals.length ? "The agent asks for your approval" : "Alert", text);
    }
    this.setState(({ desk: before }) => ({ desk: kept(before, desk), lost: "" }));
    this.deal();
  }

  private deal(): void {
    this.setState({ cards: this.pile.cards, armed: this.pile.armed });
  }

  private say(outcome: Outcome): void {
    clearTimeout(this.timer);
    this.setState({ outcome });
    this.timer = setTimeout(() => this.setState({ outcome: undefined as never }), OUTCOME_SHOWN_MS);
  }

  private async press(tool: string, args: Record<string, unknown>): Promise<void> {
    try {
      const { text, ...outcome } = await post<Outcome>("press", { tool, arguments: args });
      if (outcome.pending) this.presses.set(outcome.pending, () => this.press(tool, args));
      this.say({ ...outcome, text: outcome.failed ? text : "" }); // a success is seen
    } catch (why) {
      this.fail(why as Problem);
    }
  }

  private fail(problem: Problem): void {
    if (problem.status === 401) this.end("You are not signed in any more.");
    this.say({ failed: true, text: problem.message });
  }

  private decide: Decide = async (approval: Approval, yes: boolean, reason: string) => {
    this.pile.answering(approval.code, true);
    try {
      const { decided, state } = await post<{ decided: Approval; state: Desk }>("decide", { code: approval.code, yes, reason });
      const press = yes && this.presses.get(approval.code);
      this.pile.close(approval.code, press ? { how: "approved", sentence: "Approved." } : answered(yes, decided.expires_at, decided.tool));
      this.take(state);
      this.deal();
      if (press) void press();
    } catch (why) {
      const { status, message } = why as Problem;
      if (status === 401) this.end("You are not signed in any more.");
      if (status !== 409) return { failed: true, text: `Not answered: ${message}` };
      this.pile.close(approval.code, { how: "gone", sentence: message });
      this.deal();
    } finally {
      this.pile.answering(approval.code, false);
    }
    return undefined;
  };

  private revoke = async (code: string): Promise<void> => {
    try {
      this.take((await post<{ state: Desk }>("revoke", { code })).state);
    } catch (why) {
      this.fail(why as Problem);
    }
  };

  private signOut = async (): Promise<void> => {
    await post("sign-out").catch(() => {});
    this.end("You signed out.");
  };

  override render({ session }: WorkplaceProps, { desk, lost, outcome, cards, armed }: State) {
    return (
      <>
        <Head session={session} desk={desk} lost={lost} take={this.take} signOut={this.signOut} />
        {desk ? (
          <Views
            desk={desk}
            lost={lost}
            outcome={outcome}
            buttons={this.buttons}
            cards={cards}
            armed={armed}
            decide={this.decide}
            revoke={this.revoke}
            mayRead={session.may_read ?? false}
          />
        ) : (
          <main class="board">
            <p class="quiet">{lost}</p>
          </main>
        )}
      </>
    );
  }
}

interface HeadProps {
  session: Session;
  desk: Desk | undefined;
  lost: string;
  take: (desk: Desk) => void;
  signOut: () => void;
}

function Head({ session, desk, lost, take, signOut }: HeadProps) {
  const view = `/${usePath().split("/")[1] ?? ""}`;
  return (
    <header class="top">
      <div class="top-inner">
        <span class="brand">Switchboard</span>
        <nav aria-label="Views">
          {session.may_read && (
            <Link to="" current={view === "/"}>
              Now
            </Link>
          )}
          <Link to="/approvals" current={view === "/approvals"}>
            Approvals{desk?.waiting ? <span class="number">{desk.waiting}<Unseen> waiting</Unseen></span> : null}
          </Link>
          {session.may_read && (
            <Link to="/history" current={view === "/history"}>
              History
            </Link>
          )}
          {session.may_read && (
            <Link to="/report" current={view === "/report"}>
              Report
            </Link>
          )}
          <Link to="/audit" current={view === "/audit"}>
            Audit
          </Link>
        </nav>
        <p class="live" role="status" data-live={lost ? "no" : "yes"}>
          {lost || "Live"}
        </p>
        <Switch desk={desk} lost={lost} take={take} />
        <Menu person={session.person ?? ""} signOut={signOut} />
      </div>
      {desk?.stopped && (
        <p class="stopped">
          <Icon name="stop" />
          <span>
            The agent is paused, by <Theirs text={desk.stopped.by} /> since {when(desk.stopped.at)}
            {desk.stopped.reason ? <>: <Theirs text={desk.stopped.reason} /></> : "."} Calls go on. Every change is refused
            until you resume.
          </span>
        </p>
      )}
      {desk?.trouble && <Trouble text={`What you see may be old: ${desk.trouble}`} />}
    </header>
  );
}

/** One press pauses, and a second one by accident does not resume. */
function Switch({ desk, lost, take }: { desk: Desk | undefined; lost: string; take: (desk: Desk) => void }) {
  const [busy, setBusy] = useState(false);
  const [settling, setSettling] = useState(false);
  const [problem, setProblem] = useState("");
  const paused = desk ? Boolean(desk.stopped) : undefined;
  const before = useRef(paused);
  useEffect(() => {
    const was = before.current;
    before.current = paused;
    if (was === undefined || was === paused) return;
    announce(paused ? "The agent is paused." : "The agent may act again.");
    setSettling(true);
    const timer = setTimeout(() => setSettling(false), SWITCH_SETTLING_MS);
    return () => clearTimeout(timer);
  }, [paused]);
  useEffect(() => {
    if (!lost) setProblem(""); // the server answers again
  }, [lost]);
  const press = async () => {
    if (busy || settling || !desk) return;
    setBusy(true);
    setProblem("");
    try {
      take((await post<{ state: Desk }>(paused ? "resume" : "stop")).state);
    } catch (why) {
      const command = `telnyx-conferencing ${paused ? "resume" : "stop"}`;
      setProblem(`Not ${paused ? "resumed" : "paused"}: ${(why as Problem).message} At a terminal: ${command}`);
    }
    setBusy(false);
  };
  return (
    <>
      <button
        type="button"
        class={paused ? "switch resume" : "switch"}
        aria-disabled={busy || settling || !desk}
        data-settling={settling ? "" : undefined}
        onClick={press}
      >
        <Icon name={paused ? "play" : "pause"} />
        {paused ? "Resume the agent" : "Pause the agent"}
      </button>
      <Trouble text={problem} />
    </>
  );
}

function Menu({ person, signOut }: { person: string; signOut: () => void }) {
  const details = useRef<HTMLDetailsElement>(null);
  const [sound, setSound] = useState(soundIsOn());
  const [notifications, setNotifications] = useState(notificationsAreOn());
  const [problem, setProblem] = useState("");
  const close = () => details.current?.removeAttribute("open");
  useEffect(() => {
    const outside = (event: Event) => {
      if (!details.current?.contains(event.target as Node)) close();
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, []);
  const escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    close();
    details.current!.querySelector("summary")!.focus();
  };
  return (
    <details class="menu" ref={details} onKeyDown={escape}>
      <summary>
        <Icon name="menu" />
        <Unseen>Menu</Unseen>
      </summary>
      <div class="menu-body">
        <p class="hint">
          Signed in as <Theirs text={person} />
        </p>
        <label class="check">
          <input
            type="checkbox"
            checked={sound}
            onChange={(event) => (turnSound(event.currentTarget.checked), setSound(event.currentTarget.checked))}
          />
          Sound for approvals and alerts
        </label>
        {hasNotifications && (
          <label class="check">
            <input
              type="checkbox"
              checked={notifications}
              onChange={async (event) => {
                const on = event.currentTarget.checked;
                const why = await turnNotifications(on);
                setProblem(why);
                setNotifications(on && !why);
              }}
            />
            Browser notifications
          </label>
        )}
        <Trouble text={problem} />
        <span onClick={close}>
          <Link to="/sessions">Sign-ins</Link>
        </span>
        <button type="button" onClick={signOut}>
          Sign out
        </button>
      </div>
    </details>
  );
}

interface ViewsProps {
  desk: Desk;
  lost: string;
  outcome: Outcome | undefined;
  buttons: Buttons;
  cards: Card[];
  armed: boolean;
  decide: Decide;
  revoke: (code: string) => void;
  mayRead: boolean;
}

const TITLES: Record<string, string> = {
  approvals: "Approvals",
  history: "History",
  report: "Report",
  audit: "Audit",
  sessions: "Sign-ins",
};

function Views({ desk, lost, outcome, mayRead, ...props }: ViewsProps) {
  const [, first = "", rest = ""] = usePath().split("/");
  const view = !mayRead && ["", "history", "report"].includes(first) ? "approvals" : first;
  const main = useRef<HTMLElement>(null);
  const shown = useRef(`${view}/${rest}`);
  const newest = (what: unknown) => (lost ? "" : `newest: ${what}`);
  useEffect(() => {
    const urgent = desk.waiting + (desk.alerts?.length ?? 0);
    document.title = `${urgent ? `(${urgent}) ` : ""}${desk.stopped ? "Paused · " : ""}${TITLES[view] ?? "Now"} · Switchboard`;
  });
  useEffect(() => {
    if (shown.current === `${view}/${rest}`) return;
    shown.current = `${view}/${rest}`;
    scrollTo(0, 0);
    main.current!.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [view, rest]);
  return (
    <main class="board" ref={main}>
      <div class="say" aria-live="polite">
        {outcome && <Answer outcome={outcome} />}
      </div>
      {view === "approvals" ? (
        <Approvals desk={desk} {...props} />
      ) : view === "history" && rest ? (
        <ConferencePage key={rest} id={decodeURIComponent(rest)} newest={newest(desk.events?.[0]?.id)} />
      ) : view === "history" ? (
        <History newest={newest(desk.rooms?.map((room) => [room.id, room.present]))} />
      ) : view === "report" ? (
        <Report />
      ) : view === "audit" ? (
        <Audit newest={newest(desk.audit)} />
      ) : view === "sessions" ? (
        <Sessions />
      ) : (
        <NowView desk={desk} {...props} />
      )}
    </main>
  );
}

function Answer({ outcome }: { outcome: Outcome }) {
  if (outcome.pending) {
    return (
      <p class="hint">
        The policy asks for an approval of this, on this page. When you approve it, it is done.
      </p>
    );
  }
  return outcome.text ? <p class={outcome.failed ? "trouble" : "result"}>{outcome.text}</p> : null;
}

type DeskProps = Omit<ViewsProps, "lost" | "outcome" | "mayRead">;

function NowView({ desk, buttons, cards, armed, decide }: DeskProps) {
  const live: Live = { rooms: [], queues: [], events: [], actions: [], ...desk };
  const rooms = new Set(live.rooms.map((room) => room.id));
  const about = (card: Card) => (card.approval.room && rooms.has(card.approval.room) ? card.approval.room : undefined);
  const elsewhere = cards.filter((card) => !about(card));
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Now</h1>
        <Figures live={live} />
      </div>
      <Now
        live={live}
        buttons={buttons}
        aboutRoom={(room) => (
          <Cards
            cards={cards.filter((card) => about(card) === room)}
            label="Approval requests about this conference"
            decide={decide}
            armed={armed}
            reasons
          />
        )}
      >
        {elsewhere.length > 0 && (
          <section class="notices" aria-labelledby="waiting">
            <ApprovalsHead id="waiting" />
            <Cards cards={elsewhere} label="Approval requests" decide={decide} armed={armed} reasons />
          </section>
        )}
      </Now>
    </>
  );
}

/** What a person has allowed in advance, to see and to end. */
function Grants({ grants, revoke }: { grants: Grant[]; revoke: (code: string) => void }) {
  if (!grants.length) return null;
  return (
    <>
      <h2>Allowed in advance</h2>
      <ul class="lines" role="list">
        {grants.map((grant) => (
          <li key={grant.code} class="session">
            <div>
              <p>
                <code>{grant.tool}</code> {grant.left} of {count(grant.count, "call")} left
                {grant.room && (
                  <>
                    , in <Theirs text={grant.room} />
                  </>
                )}
              </p>
              <p class="facts">
                <span>
                  <Lasting moment={grant.expires_at} down /> left
                </span>
                {Object.entries(grant.limits).map(([name, values]) => (
                  <span key={name}>
                    {name}: <Theirs text={values} />
                  </span>
                ))}
                <span>
                  for <Theirs text={grant.asked_by} />, by <Theirs text={grant.granted_by} />
                </span>
                <code>{grant.code}</code>
              </p>
            </div>
            <button type="button" onClick={() => revoke(grant.code)}>
              End<Unseen> the grant {grant.code}</Unseen>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Approvals({ desk, cards, armed, decide, revoke }: DeskProps) {
  const hidden = desk.waiting - desk.pending.length;
  return (
    <section aria-labelledby="title">
      <h1 id="title" tabIndex={-1}>
        Approvals
      </h1>
      <Cards cards={cards} label="Approval requests" decide={decide} armed={armed} reasons />
      {hidden > 0 && <p class="more">{hidden} more wait behind these.</p>}
      <Grants grants={desk.grants} revoke={revoke} />
      <p class="hint">
        {cards.length
          ? "An approval holds for one call with exactly these facts; the audit has every answer."
          : "Nothing waits for you. A request appears here when the agent needs your approval."}
      </p>
    </section>
  );
}

render(<Page />, document.getElementById("root")!);
