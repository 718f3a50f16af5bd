// Asking for a new link: who sees the server's terminal may use it.

import { byId, write } from "./elements.js";
import { post } from "./server.js";

byId("print").addEventListener("click", async () => {
  write(byId("printed"), "");
  write(byId("problem"), "");
  try {
    await post("link");
    write(byId("printed"), "Printed. Open the newest link on the server's terminal.");
  } catch (problem) {
    write(byId("problem"), problem.message);
  }
});
byId("print").disabled = false; // it does nothing before this script is here
