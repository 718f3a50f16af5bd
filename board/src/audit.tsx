// The audit: what was done, refused or failed; to filter, to verify and to export.

import { useState } from "preact/hooks";
import { get, post, save, type Problem } from "./api";
import { Moment } from "./clock";
import { DayFields, timesOf } from "./days";
import { useList } from "./lists";
import { count, Sentence, Theirs, Trouble } from "./parts";

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
  /** The number on the opt-out list. */
  opted_out?: string;
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

// What was done that is no call of a tool, by its outcome.
const OTHERS: [RegExp, string][] = [
  [/^writes stopped/, "Pause the agent"],
  [/^writes resumed/, "Resume the agent"],
  [/^opt-out added/, "Put a number on the opt-out list"],
  [/^opt-out removed/, "Take a number off the opt-out list"],
  [/^token made/, "Create a token"],
  [/^token revoked/, "Revoke a token"],
];

/** `newest`: the number of the newest record, which grows with every action; empty while the server does not answer. */
export function Audit({ newest }: { newest: string }) {
  const [filter, setFilter] = useState({ outcome: "", text: "", from: "", to: "" });
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState("");
  const fetch = async (before?: number) => {
    const query = { outcome: filter.outcome, text: filter.text, ...timesOf(filter), before };
    const { actions, next } = await get<Page>("audit", query);
    return { rows: actions, ...(next !== undefined && { next }) };
  };
  const { rows, next, trouble, loadOlder } = useList(fetch, (action) => action.key, filter, newest, 2000);
  const verify = async () => {
    setNote("Checking …");
    try {
      const { records, head } = await post<{ records: number; head: string }>("audit/verify");
      setNote(`${count(records, "record")} unchanged, none missing. Head: ${head}`);
    } catch (why) {
      setNote((why as Problem).message);
    }
  };
  const exportAll = async () => {
    setNote("Saving …");
    setProblem("");
    try {
      await save("audit/export", "audit.jsonl");
      setNote("All records were saved.");
    } catch (why) {
      setNote("");
      setProblem((why as Problem).message);
    }
  };
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
          Export all
        </button>
      </div>
      <p class="hint whole" role="status">
        {note}
      </p>
      <Trouble text={problem || trouble} />
      <table class="table audit" aria-labelledby="title">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">What</th>
            <th scope="col">Result</th>
            <th scope="col">Who</th>
          </tr>
        </thead>
        <tbody>
          {rows?.map((action) => (
            <Row key={action.key} action={action} />
          ))}
        </tbody>
      </table>
      {rows && !rows.length && <p class="nobody">No action matches.</p>}
      {next !== undefined && (
        <button type="button" onClick={loadOlder}>
          Show older
        </button>
      )}
    </section>
  );
}

function Row({ action }: { action: Action }) {
  const { at, ms, does, tool, risk, code, grant, opted_out, outcome = "—", why, reason, client, by, identity, asked = {} } = action;
  const [, tone, sign] = TONES.find(([pattern]) => pattern.test(outcome))!;
  const [, other] = OTHERS.find(([pattern]) => pattern.test(outcome)) ?? [];
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
        <Sentence text={does ? does[0]!.toUpperCase() + does.slice(1) : (tool ?? other ?? "—")} />
        <Line text={[does ? tool : "", risk, code, grant, opted_out].filter(Boolean).join(" · ")} />
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
