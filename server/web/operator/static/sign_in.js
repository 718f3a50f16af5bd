// Signing in: the button, and not the link, uses the token up.

import { byId, write } from "./elements.js";
import { keepKey, post } from "./server.js";

byId("sign-in").addEventListener("click", async () => {
  const token = new URLSearchParams(location.search).get("token");
  try {
    keepKey((await post("sign-in", { token })).key);
    location.replace("/operator"); // the link does not stay in the history
  } catch (problem) {
    write(byId("problem"), problem.message);
  }
});
byId("sign-in").disabled = false; // it does nothing before this script is here
byId("sign-in").focus();
