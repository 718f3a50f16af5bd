// The audit: what was done, refused or failed; to filter, to verify and to export.

import { useEffect, useState } from "preact/hooks";
import { get, post, save, type Problem } from "./api";
import { Moment } from "./clock";
import { DayFields, timesOf } from "./days";
import { count, Theirs, Trouble } from "./parts";

interface Action {
  key: string;
  number: number;
  at: string;
  outcome?: string;
  tool?: string;
  does?: string;
  risk?: string;
  client?: string;
  identity?: string;
  why?: string;
  by?: string;
  reason?: string;
  code?: string;
  grant?: string;
  ms?: number;
  asked?: { by?: string; answer?: string; reason?: string; code?: string };
}

interface Page {
  actions: Action[];
  next?: number;
}

const OUTCOMES = [
  ["", "All results"],
  ["changes", "Without reads"],
  ["done", "Done"],
  ["pending", "Waits for approval"],
  ["refused", "Refused"],
  ["declined", "Declined by a person"],
  ["approved", "Approved by a person"],
  ["rejected", "Rejected by a person"],
  ["writes", "Paused or resumed"],
  ["failed", "Failed"],
  ["unknown", "Unknown outcome"],
];

// How an outcome looks, by its words; the first that fits.
const TONES: [RegExp, string, string][] = [
  [/^unknown|^failed|^invalid/, "bad", "!"],
  [/^refused|^declined|^rejected|stopped/, "no", "✕"],
  [/^pending|^sends|^asks|^begun/, "open", "…"],
  [/./, "good", "✓"],
];

// What a person did that is no call of a tool, by its outcome.
const BY_PERSON: [RegExp, string][] = [
  [/^writes stopped/, "Pause the agent"],
  [/^writes resumed/, "Resume the agent"],
  [/^opt-out removed/, "Take a number off the opt-out list"],
  [/^token made/, "Create a token"],
  [/^token revoked/, "Revoke a token"],
];

/** `newest`: the number of the newest record, which grows with every action. */
export function Audit({ newest }: { newest: number }) {
  const [filter, setFilter] = useState({ outcome: "", text: "", from: "", to: "" });
  const [page, setPage] = useState<Page>();
  const [trouble, setTrouble] = useState("");
  const [verified, setVerified] = useState("");
  const load = async (before?: number) => {
    try {
      const found = await get<Page>("audit", { outcome: filter.outcome, text: filter.text, ...timesOf(filter), before });
      setTrouble("");
      setPage((known) => {
        const older = before ? (known?.actions ?? []) : [];
        const shown = new Set(older.map((action) => action.key));
        return { ...found, actions: [...older, ...found.actions.filter((action) => !shown.has(action.key))] };
      });
    } catch (why) {
      setTrouble((why as Problem).message);
    }
  };
  useEffect(() => {
    const soon = setTimeout(() => void load(), page ? 250 : 0);
    return () => clearTimeout(soon);
  }, [filter, newest]);
  const verify = async () => {
    setVerified("Checking …");
    try {
      const { records, head } = await post<{ records: number; head: string }>("audit/verify");
      setVerified(`${count(records, "record")} unchanged, none missing. Head: ${head}`);
    } catch (why) {
      setVerified((why as Problem).message);
    }
  };
  const exportAll = () =>
    save("audit/export", "audit.jsonl").then(
      () => setTrouble(""),
      (why: Problem) => setTrouble(why.message),
    );
  return (
    <section aria-labelledby="title">
      <h1 id="title" tabIndex={-1}>
        Audit
      </h1>
      <div class="toolbar" role="search">
        <label class="field grow">
          Tool, client, person or reason
          <input
            type="search"
            value={filter.text}
            onInput={(event) => setFilter({ ...filter, text: event.currentTarget.value })}
          />
        </label>
        <label class="field">
          Result
          <select
            value={filter.outcome}
            onChange={(event) => setFilter({ ...filter, outcome: event.currentTarget.value })}
          >
            {OUTCOMES.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <DayFields days={filter} onChange={(days) => setFilter({ ...filter, ...days })} />
        <button type="button" onClick={verify}>
          Verify
        </button>
        <button type="button" onClick={exportAll}>
          Export
        </button>
      </div>
      <p class="hint whole" role="status">
        {verified}
      </p>
      <Trouble text={trouble} />
      <table class="table" aria-labelledby="title">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Result</th>
            <th scope="col">Who</th>
          </tr>
        </thead>
        <tbody>
          {page?.actions.map((action) => (
            <Row key={action.key} action={action} />
          ))}
        </tbody>
      </table>
      {page && !page.actions.length && <p class="nobody">No action matches.</p>}
      {page?.next !== undefined && (
        <button type="button" onClick={() => void load(page.next)}>
          Show older
        </button>
      )}
    </section>
  );
}

function Row({ action }: { action: Action }) {
  const { at, ms, does, tool, risk, code, grant, outcome = "—", why, reason, client, by, identity, asked = {} } = action;
  const [, tone, sign] = TONES.find(([pattern]) => pattern.test(outcome))!;
  const [, byPerson] = BY_PERSON.find(([pattern]) => pattern.test(outcome)) ?? [];
  const answer = [
    asked.answer && asked.answer !== "nobody" ? `asked: ${asked.answer}${asked.by ? `, by ${asked.by}` : ""}` : "",
    asked.reason ? `“${asked.reason}”` : "",
  ].filter(Boolean).join(": ");
  return (
    <tr>
      <td data-label="When">
        <Moment at={at} />
        <Line text={ms === undefined ? "" : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`} />
      </td>
      <td data-label="What">
        <Theirs text={does ? does[0]!.toUpperCase() + does.slice(1) : (tool ?? byPerson ?? "—")} class="whole" />
        <Line text={[does ? tool : "", risk, code, grant].filter(Boolean).join(" · ")} />
      </td>
      <td data-label="Result">
        <span class="outcome" data-tone={tone}>
          <span aria-hidden="true">{sign} </span>
          {outcome}
        </span>
        <Line text={why} />
        <Line text={reason && `“${reason}”`} />
      </td>
      <td data-label="Who">
        <Theirs text={identity ?? client ?? by ?? "—"} class="whole" />
        <Line text={(identity ?? client) && by} />
        <Line text={identity && client} />
        <Line text={answer} />
        <Line text={asked.code && (!asked.answer || asked.answer === "nobody") ? `request ${asked.code}` : ""} />
      </td>
    </tr>
  );
}

const Line = ({ text }: { text: string | undefined }) => (text ? <Theirs text={text} class="detail" /> : null);
