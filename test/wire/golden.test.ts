import { describe, expect, it } from 'vitest';
import { renderCallback } from '../../src/wire/callback-body.js';
import { errorEnvelope } from '../../src/wire/error-envelope.js';
import { packageVersion } from '../../src/wire/package-version.js';
import { startFailureDetails } from '../../src/wire/start-failure.js';
import { acceptedByNodes, acceptedBySingle } from '../../src/wire/start-reply.js';
import packageJson from '../../package.json' with { type: 'json' };

/** The published samples, as text. Only `meta.version` is another: it names the product that answers. */
const published = {
  accepted:
    '{"services":{"message":{"gc":{"status":"processing"}}},"meta":{"api_status":"stable","version":"v2.29.1"}}',
  startFailure:
    '{"meta":{"version":"v2.29.1","api_status":"stable"},"errors":[{"code":1014,"title":"Internal error","details":"Connection timed out. Please check if wacore is running: wacore:6252"}]}',
  acceptedByNodes:
    '{"services":{"message":{"gc":{"wacore2:9dfe77618dba":{"status":"processing"},"wacore3:a9dcc716fd6e":{"status":"processing"}}}},"meta":{"version":"v2.29.1","api_status":"stable"}}',
  startFailureOfNode:
    '{"errors":[{"code":1014,"title":"Internal error","details":"php_network_getaddresses: getaddrinfo failed: Name or service not known. Please check if wacore is running: wacore2:6252"}]}',
  complete: '{"services":[{"message":{"gc":{"messages_deleted":5,"status":"complete"}}}]}',
  completeOfNode:
    '{"services":[{"message":{"gc":{"messages_deleted":11,"node":"wacore2:9dfe77618dba","status":"complete"}}}]}',
  failed:
    '{"services":[{"message":{"gc":{"messages_deleted":0,"errors":[{"code":1014,"details":"Failed to fetch processed messages to delete"}],"status":"failed"}}}]}',
};
const withOurVersion = (text: string): unknown =>
  JSON.parse(text.replace('v2.29.1', `v${packageJson.version}`));

describe('the published bodies', () => {
  it('are answered to a PUT that started a run', () => {
    expect(acceptedBySingle()).toStrictEqual(withOurVersion(published.accepted));
  });

  it('are answered to a PUT that could not start one', () => {
    const envelope = errorEnvelope(1014, startFailureDetails('Connection timed out', 'wacore:6252'));
    expect(JSON.parse(JSON.stringify(envelope))).toStrictEqual(withOurVersion(published.startFailure));
  });

  it('are answered by several nodes', () => {
    const nodes = ['wacore2:9dfe77618dba', 'wacore3:a9dcc716fd6e'].map((name) => ({ name, details: null }));
    expect(acceptedByNodes(nodes)).toStrictEqual(withOurVersion(published.acceptedByNodes));
  });

  it('are answered for a node that could not be reached, under its bare host name', () => {
    const words = 'php_network_getaddresses: getaddrinfo failed: Name or service not known';
    const { services } = acceptedByNodes([
      { name: 'wacore1:9dfe77618dba', details: null },
      { name: 'wacore2:a9dcc716fd6e', details: startFailureDetails(words, 'wacore2:6252') },
    ]);
    expect(services.message.gc).toStrictEqual({
      'wacore1:9dfe77618dba': { status: 'processing' },
      wacore2: JSON.parse(published.startFailureOfNode),
    });
  });

  it('name two nodes of one host that could not be reached in full, so that none hides the other', () => {
    const { services } = acceptedByNodes([
      { name: 'wacore2:9dfe77618dba', details: 'one' },
      { name: 'wacore2:a9dcc716fd6e', details: 'other' },
    ]);
    expect(Object.keys(services.message.gc)).toEqual(['wacore2:9dfe77618dba', 'wacore2:a9dcc716fd6e']);
  });

  it('are posted for a complete run, letter for letter', () => {
    const told = { messagesDeleted: 5, outcome: 'complete', error: null } as const;
    expect(renderCallback({ ...told, node: null })).toBe(published.complete);
    expect(renderCallback({ ...told, messagesDeleted: 11, node: 'wacore2:9dfe77618dba' })).toBe(
      published.completeOfNode,
    );
  });

  it('are posted for a failed run, letter for letter', () => {
    const body = renderCallback({
      node: null,
      messagesDeleted: 0,
      outcome: 'failed',
      error: 'Failed to fetch processed messages to delete',
    });
    expect(body).toBe(published.failed);
  });

  it('carry the version of the package', () => {
    expect(packageVersion).toBe(packageJson.version);
  });
});

describe('a failed callback', () => {
  it('tells the true count, and words even if none were recorded', () => {
    const body = JSON.parse(
      renderCallback({ node: null, messagesDeleted: 42, outcome: 'failed', error: null }),
    ) as { services: [{ message: { gc: { messages_deleted: number; errors: [{ details: string }] } } }] };
    const { messages_deleted: deleted, errors } = body.services[0].message.gc;
    expect(deleted).toBe(42);
    expect(errors[0].details).toContain('not recorded');
  });
});

describe('the words of a start failure', () => {
  it('are one sentence of the driver and the place to look, whatever the driver wrote', () => {
    expect(startFailureDetails('connect ECONNREFUSED\n 127.0.0.1:5432. ', 'core1:6252')).toBe(
      'connect ECONNREFUSED 127.0.0.1:5432. Please check if wacore is running: core1:6252',
    );
  });
});
