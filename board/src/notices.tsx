// What waits for a person's yes: as notices on the board, and as a card that answers.

import { useState } from "preact/hooks";
import { Lasting } from "./clock";
import type { Approval, Card, Outcome, Source } from "./model";
import { count, Icon, Theirs } from "./parts";

export function Notices({ approvals, others, source, cards }: {
  approvals: Approval[];
  others: number;
  source: Source;
  cards: boolean;
}) {
  if (!approvals.length && !others) return null;
  return (
    <section class="notices" aria-labelledby="notices-title">
      <h2 id="notices-title">
        <Icon name="bell" /> Waiting for a yes
      </h2>
      <ul role="list">
        {approvals.map((approval) => (
          <li key={approval.code}>
            <Notice approval={approval} source={source} cards={cards} />
          </li>
        ))}
      </ul>
      {others > 0 && <p class="more">{count(others, "question")} of other conversations wait too.</p>}
    </section>
  );
}

function Notice({ approval, source, cards }: { approval: Approval; source: Source; cards: boolean }) {
  const [card, setCard] = useState<Card>();
  const [trouble, setTrouble] = useState("");
  const open = async () => {
    const found = await source.card!(approval.code);
    if ("secret" in found) setCard(found);
    else setTrouble(found.text);
  };
  if (card) return <CardPart card={card} source={source} inside />;
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
        <code>{approval.code}</code>
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
export function CardPart({ card, source, inside }: { card: Card; source: Source; inside?: boolean }) {
  const [said, setSaid] = useState<Outcome & { yes: boolean }>();
  const [busy, setBusy] = useState(false);
  const decide = async (yes: boolean) => {
    if (busy) return;
    setBusy(true);
    setSaid({ ...(await source.decide!(card, yes)), yes });
    setBusy(false);
  };
  const done = said && !said.failed;
  return (
    <article class="card" aria-label={`Approval ${card.approval.code}`}>
      {!inside && (
        <h1>
          <Icon name="bell" /> {done ? (said.yes ? "Approved" : "Rejected") : "Do you approve this?"}
        </h1>
      )}
      <Question approval={card.approval} />
      <p class="said" role="status">
        {done && (said.yes ? "Approved. The agent may now repeat exactly this call, once." : "Rejected. Nothing is sent.")}
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
