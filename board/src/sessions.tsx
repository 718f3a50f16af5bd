// Who is signed in, and where: to see and to end.

import { useEffect, useState } from "preact/hooks";
import { get, post, type Problem } from "./api";
import { Moment } from "./clock";
import { Theirs, Trouble } from "./parts";

interface SignIn {
  id: string;
  person: string;
  browser: string;
  started_at: string;
  used_at: string;
  current: boolean;
}

export function Sessions() {
  const [sessions, setSessions] = useState<SignIn[]>([]);
  const [trouble, setTrouble] = useState("");
  const act = async (change?: string) => {
    try {
      if (change) await post("end-session", { id: change });
      setSessions((await get<{ sessions: SignIn[] }>("sessions")).sessions);
      setTrouble("");
    } catch (why) {
      setTrouble((why as Problem).message);
    }
  };
  useEffect(() => void act(), []);
  return (
    <section aria-labelledby="title">
      <h1 id="title" tabIndex={-1}>
        Sign-ins
      </h1>
      <p class="hint">A sign-in lasts while its page is open, and for a day after that.</p>
      <Trouble text={trouble} />
      <ul class="lines" role="list">
        {sessions.map((session) => (
          <li key={session.id} class="session">
            <div>
              <Theirs text={session.person} class="name" />
              <p class="facts">
                <span>{session.browser}</span>
                <span>
                  since <Moment at={session.started_at} />
                </span>
                <span>
                  last used <Moment at={session.used_at} />
                </span>
                {session.current && <span class="badge">This browser</span>}
              </p>
            </div>
            <button type="button" onClick={() => void act(session.id)}>
              End<span class="unseen"> the sign-in of {session.person} in {session.browser}</span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
