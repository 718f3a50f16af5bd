// One question, to be approved or rejected.

import { announce, element, timeOf, when, write } from "./elements.js";
import { post } from "./server.js";

const SIGNS = { destructive: "▲", disruptive: "◆", routine: "●" };

/** How much of a question's time is left, as m:ss. */
function clock(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function button(kind, label, question) {
  return element("button", { type: "button", class: kind, text: label, "aria-describedby": question });
}

export class Card {
  /** `decided` is called with the server's answer; `isArmed` says whether buttons may be pressed yet. */
  constructor(approval, { decided, isArmed }) {
    this.approval = approval;
    this.isOpen = true;
    this.busy = false;
    this.decided = decided;
    this.isArmed = isArmed;
    this.build();
  }

  build() {
    const { code, tool, risk, question, asked_by: who, asked_at: asked } = this.approval;
    const id = (part) => `${part}-${code}`;
    this.left = element("span", { class: "left", role: "timer", "aria-label": "Time left" });
    this.reason = element("input", { id: id("reason"), maxlength: 500, autocomplete: "off" });
    this.reject = button("reject", "Reject", id("question"));
    this.approve = button("approve", "Approve", id("question"));
    this.reject.addEventListener("click", () => this.decide(false));
    this.approve.addEventListener("click", () => this.decide(true));
    this.problem = element("p", { class: "problem", role: "alert" });
    this.result = element("p", { class: "result", tabindex: -1 });
    const label = element("label", { for: id("reason"), text: "Reason (optional)" });
    const field = element("div", { class: "field" }, label, this.reason);
    this.answers = element("div", { class: "answers" }, field, this.reject, this.approve);
    const sign = element("span", { "aria-hidden": "true", text: SIGNS[risk] ?? "●" });
    const meta = element(
      "p",
      { class: "meta" },
      element("span", { class: "risk" }, sign, ` ${risk}`),
      element("code", { class: "tool", text: tool }),
      this.left,
    );
    const asks = element(
      "p",
      { class: "asks" },
      "Asked by ",
      element("b", { text: who }),
      " at ",
      timeOf(asked),
      element("span", { class: "code" }, "Code ", element("code", { text: code })),
    );
    const title = element("h3", { class: "question", id: id("question"), text: question });
    const answer = element("div", { class: "answer" }, this.answers, this.result);
    this.body = element("article", { "aria-labelledby": id("question") }, meta, title, asks, answer, this.problem);
    this.element = element("li", { class: "card", "data-risk": risk, "data-code": code }, this.body);
  }

  /** Show the time left, in milliseconds of the server's clock. */
  tick(now) {
    if (!this.isOpen) return;
    const seconds = (Date.parse(this.approval.expires_at) - now) / 1000;
    write(this.left, `${clock(seconds)} left`);
    this.left.classList.toggle("soon", seconds < 60);
  }

  async decide(yes) {
    if (!this.isOpen || this.busy || !this.isArmed()) return;
    this.busy = true;
    write(this.problem, "");
    this.element.toggleAttribute("data-busy", true);
    try {
      const { decided, state } = await post("decide", { code: this.approval.code, yes, reason: this.reason.value });
      if (yes) this.close("approved", `Approved. Until ${when(decided.expires_at)} the agent may make this one call.`);
      else this.close("rejected", "Rejected. The agent is told no.");
      this.decided(state);
    } catch (problem) {
      if (problem.status === 409) this.close("gone", problem.message);
      else write(this.problem, `Not decided: ${problem.message}`);
    } finally {
      this.busy = false;
      this.element.toggleAttribute("data-busy", false);
    }
  }

  /** Say what became of it, where the buttons were: nothing else on the page moves. */
  close(how, sentence) {
    if (!this.isOpen) return;
    const held = this.body.contains(document.activeElement);
    this.isOpen = false;
    this.element.dataset.result = how;
    this.answers.inert = true;
    write(this.left, "");
    write(this.problem, "");
    write(this.result, sentence);
    if (held) this.result.focus({ preventScroll: true }); // which reads it out
    else announce(`${sentence} ${this.approval.question}`);
  }
}
