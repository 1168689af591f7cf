import type { RenderCallback } from '../core/ports.js';

/**
 * The completion callback. Differs from every HTTP answer on purpose: `services` is an array, there is no `meta`,
 * and errors have no `title`. Keys stand in the order of the published samples, so that even a receiver which
 * compares text is served.
 *
 * A failed run tells its true count; the original's sample shows 0.
 */
export const renderCallback: RenderCallback = ({ node, messagesDeleted, outcome, error }) =>
  JSON.stringify({
    services: [
      {
        message: {
          gc: {
            messages_deleted: messagesDeleted,
            ...(node === null ? {} : { node }),
            ...(outcome === 'failed' ? { errors: [{ code: 1014, details: error ?? unknownCause }] } : {}),
            status: outcome,
          },
        },
      },
    ],
  });

const unknownCause = 'The run failed and its cause was not recorded; the log of the node has it';
