// What waits for a person's yes: as notices on the board, and as a card that answers.

import { useState } from "preact/hooks";
import { Lasting } from "./clock";
import type { Approval, Card, Outcome, Source } from "./model";
import { count, Icon, Theirs } from "./parts";

interface Waiting {
  source: Source;
  /** Whether a person may answer here, by cards. */
  cards: boolean;
  /** What was answered: the notice itself is gone then. */
  answered: (said: string) => void;
}

export function Notices({ approvals, others, ...waiting }: Waiting & { approvals: Approval[]; others: number }) {
  if (!approvals.length && !others) return null;
  return (
    <section class="notices" aria-labelledby="notices-title">
      <h2 id="notices-title">
        <Icon name="bell" /> Waiting for a yes
      </h2>
      <ul role="list">
        {approvals.map((approval) => (
          <li key={approval.code || approval.question}>
            <Notice approval={approval} {...waiting} />
          </li>
        ))}
      </ul>
      {others > 0 && <p class="more">{count(others, "question")} of other conversations wait too.</p>}
    </section>
  );
}

function Notice({ approval, source, cards, answered }: Waiting & { approval: Approval }) {
  const [card, setCard] = useState<Card>();
  const [trouble, setTrouble] = useState("");
  const open = async () => {
    const found = await source.card!(approval.code);
    if ("secret" in found) setCard(found);
    else setTrouble(found.text);
  };
  if (card) return <CardPart card={card} source={source} answered={answered} />;
  return (
    <article class="notice">
      <Question approval={approval} />
      {trouble && (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      {source.place === "browser" ? (
        <a class="button" href="/operator">
          Answer on the operator page
        </a>
      ) : cards && source.card ? (
        <button type="button" onClick={open}>
          Answer …
        </button>
      ) : (
        <p class="hint">A person answers it outside this page.</p>
      )}
    </article>
  );
}

function Question({ approval }: { approval: Approval }) {
  return (
    <>
      <p class="facts">
        <span class={`badge risk-${approval.risk}`}>{approval.risk}</span>
        <code>{approval.tool}</code>
        {approval.code && <code>{approval.code}</code>}
        <span class="left">
          <Lasting moment={approval.expires_at} down /> left
        </span>
      </p>
      <p class="question">
        <Theirs text={approval.question} />
      </p>
    </>
  );
}

/** An approval with Approve and Reject. */
export function CardPart({ card, source, answered }: { card: Card; source: Source; answered?: (said: string) => void }) {
  const [said, setSaid] = useState<Outcome & { yes: boolean }>();
  const [busy, setBusy] = useState(false);
  const decide = async (yes: boolean) => {
    if (busy) return;
    setBusy(true);
    const outcome = await source.decide!(card, yes);
    setSaid({ ...outcome, yes });
    setBusy(false);
    if (!outcome.failed) answered?.(inWords(yes));
  };
  const done = said && !said.failed;
  return (
    <article class="card" aria-label={`Approval ${card.approval.code}`}>
      {!answered && (
        <h1>
          <Icon name="bell" /> {done ? (said.yes ? "Approved" : "Rejected") : "Do you approve this?"}
        </h1>
      )}
      <Question approval={card.approval} />
      <p class="said" role="status">
        {done && inWords(said.yes)}
      </p>
      {said?.failed && (
        <p class="trouble" role="alert">
          {said.text}
        </p>
      )}
      {!done && (
        <div class="card-buttons">
          <button type="button" class="yes" aria-disabled={busy} onClick={() => decide(true)}>
            Approve
          </button>
          <button type="button" aria-disabled={busy} onClick={() => decide(false)}>
            Reject
          </button>
        </div>
      )}
    </article>
  );
}

const inWords = (yes: boolean): string =>
  yes ? "Approved. The agent may now repeat exactly this call, once." : "Rejected. Nothing is sent.";
