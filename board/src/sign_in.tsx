// Signing in: by a code that the `operator` command prints at a terminal, or by an access token.

import { useEffect, useRef, useState } from "preact/hooks";
import { keepKey, post, type Problem } from "./api";
import { Trouble } from "./parts";

export type Way = "code" | "token";

interface SignInProps {
  way: Way;
  /** Why a person who was signed in must sign in again. */
  why: string;
  done: () => void;
}

export function SignIn({ way, why, done }: SignInProps) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current!.focus(), []);
  const isCode = way === "code";
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem("");
    try {
      keepKey((await post<{ key: string }>("sign-in", { [way]: text.trim() })).key);
      done();
    } catch (why) {
      setProblem((why as Problem).message);
      setBusy(false);
    }
  };
  return (
    <main class="alone small">
      <h1>Switchboard</h1>
      {why && (
        <p class="hint" role="alert">
          {why}
        </p>
      )}
      <p>See what an agent does on live calls, approve or reject what it asks for, and pause it.</p>
      <form onSubmit={submit} class="sign-in">
        <label for="secret">{isCode ? "Sign-in code" : "Your access token"}</label>
        <input
          id="secret"
          ref={field}
          {...(isCode ? { type: "text" as const, class: "code-field" } : { type: "password" as const })}
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          maxLength={isCode ? 20 : 12_000}
          required
          aria-describedby="how"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="yes" aria-disabled={busy}>
          Sign in
        </button>
      </form>
      <Trouble text={problem} />
      <p class="hint" id="how">
        {isCode ? (
          <>
            This command prints a code at a terminal of the server's machine: <code>telnyx-conferencing operator</code>
          </>
        ) : (
          <>
            The token needs the scope <code>conferences:approve</code>.
          </>
        )}
      </p>
      <p class="hint">You stay signed in while this page is open, and for a day after that.</p>
      <p class="hint">
        To pause the agent without this page: <code>telnyx-conferencing stop</code>
      </p>
    </main>
  );
}
