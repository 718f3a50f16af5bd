// The switchboard: in a host that renders MCP Apps, or at /board of the server.

import { render } from "preact";
import { App } from "./app";
import { BrowserSource } from "./browser";
import { HostSource } from "./host";

const isFramed = parent !== window;
document.documentElement.dataset["place"] = isFramed ? "host" : "browser";
render(<App source={isFramed ? new HostSource() : new BrowserSource()} />, document.getElementById("root")!);
