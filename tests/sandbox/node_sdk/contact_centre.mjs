// A contact centre with Telnyx's Node SDK: node contact_centre.mjs BASE_URL PUBLIC_KEY PORT
// It answers calls, greets the caller, asks for a digit, enqueues the caller and connects an agent. Each repeat of a
// request by the SDK carries the same command_id. It prints a line when it listens and one for each event.
import { createServer } from 'node:http';
import Telnyx from 'telnyx';

const [baseURL, publicKey, port] = process.argv.slice(2);
const client = new Telnyx({ apiKey: 'KEYtest', baseURL, publicKey });
const actions = client.calls.actions;
const handled = new Set();
const agent = '+12025550150';

const reactions = {
  'call.initiated': async ({ id, payload }) => {
    if (payload.direction === 'incoming') await actions.answer(payload.call_control_id, { command_id: id });
  },
  'call.answered': async ({ id, payload: { call_control_id: leg, to } }) => {
    if (to === agent) {
      await actions.bridge(leg, { queue: 'sales', command_id: id });
    } else {
      await actions.speak(leg, { payload: 'Welcome', voice: 'female', command_id: id });
    }
  },
  'call.speak.ended': async ({ id, payload }) => {
    await actions.gather(payload.call_control_id, { maximum_digits: 1, timeout_millis: 60000, command_id: id });
  },
  'call.gather.ended': async ({ id, payload }) => {
    await actions.enqueue(payload.call_control_id, { queue_name: 'sales', command_id: id });
  },
  'call.enqueued': async ({ id }) => {
    await client.calls.dial({ connection_id: 'sandbox', from: '+12025550100', to: agent, command_id: id });
  },
};

async function handle(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let event;
  try {
    event = (await client.webhooks.unwrap(Buffer.concat(chunks).toString(), { headers: request.headers })).data;
  } catch {
    return 400;
  }
  if (!handled.has(event.id)) {
    handled.add(event.id);
    console.log(event.event_type);
    reactions[event.event_type]?.(event).catch((error) => {
      console.error(error);
      process.exit(1);
    });
  }
  return 200;
}

const server = createServer(async (request, response) => {
  response.writeHead(await handle(request));
  response.end();
});
server.listen(Number(port), '127.0.0.1', () => console.log('listening'));
