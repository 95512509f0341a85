import { drain, startEventSource } from "../../../test/bed/localstack/event-source.ts";
import { createAwsResources, visibilitySeconds } from "../../../test/bed/localstack/resources.ts";
import { describePlatform } from "../contract.ts";
import { createAwsPlatform } from "./platform.ts";
import { consumeQueueEvent } from "./queue-event.ts";
import { releaseDue } from "./timers.ts";

describePlatform("LocalStack", async () => {
  const cluster = { id: "default", kubeconfig: "apiVersion: v1\nkind: Config\n" };
  const resources = await createAwsResources([cluster]);
  const platform = createAwsPlatform(resources.env);
  const timers = startEventSource(resources.queues.delay.url, (event) => releaseDue(event, platform), {
    concurrency: 2,
  });
  const sources = [timers];
  return {
    platform,
    cluster,
    consume: (queue, handler, options) => {
      const source = startEventSource(
        resources.queues[queue].url,
        (event, context) => consumeQueueEvent(event, context, handler, () => undefined),
        options,
      );
      sources.push(source);
    },
    deadLetters: (queue) => drain(resources.queues[queue].deadLettersUrl),
    putSecret: resources.putSecret,
    deliverySeconds: 1,
    // LocalStack looks for messages to redeliver once a second.
    redeliverySeconds: visibilitySeconds + 2,
    stop: async () => {
      await Promise.all(sources.map((source) => source.stop()));
    },
  };
});
