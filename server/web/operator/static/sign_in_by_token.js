// Signing in by a token, which is sent once and kept nowhere in the browser.

import { byId, write } from "./elements.js";
import { keepKey, post } from "./server.js";

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  write(byId("problem"), "");
  const field = byId("token");
  try {
    keepKey((await post("sign-in", { token: field.value.trim() })).key);
    location.replace("/operator");
  } catch (problem) {
    write(byId("problem"), problem.message);
    field.select();
  }
});
byId("sign-in").disabled = false; // it does nothing before this script is here
byId("token").focus();
