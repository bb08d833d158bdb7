/** The tables of the page: which there are, and what each shows. */
import type { Status } from '../status.ts';
import {
  bundleRow,
  envoyRow,
  heldRow,
  historyRow,
  identityRow,
  nackRow,
  nameRow,
  type RankedRow,
  tokenRow,
  valueRow,
  workloadRow,
} from './rows.ts';
import { TableSection } from './table.ts';

export class Sections {
  readonly #identities = new TableSection(
    'identities',
    'Identities',
    ['SPIFFE ID', 'State', 'Ends', 'Serial', 'Received', 'Served as'],
    'There is no identity: what is the matter stands above.',
  );
  readonly #workloads = new TableSection(
    'workloads',
    'Workloads',
    ['Process', 'State', 'Identities', 'Ends', 'Trust domains', 'The broker', 'Since'],
    'No process has asked yet. Each that connects to the SDS socket is a workload of its own.',
  );
  readonly #envoys = new TableSection(
    'envoys',
    'Envoys',
    ['Envoy', 'State', 'Names and versions', 'Opened', 'Last ACK', 'Last NACK'],
    'Nobody has subscribed. Envoy asks at the SDS socket that stands above.',
  );
  readonly #held = new TableSection(
    'held',
    'Held names',
    ['Name', 'Waiting', 'Meant, perhaps'],
    'Every name that is asked for is served.',
  );
  readonly #nacks = new TableSection(
    'nacks',
    'Last NACKs',
    ['When', 'Envoy', 'Names', 'Kind', 'What Envoy says'],
    'No Envoy has rejected anything.',
  );
  readonly #bundles = new TableSection(
    'bundles',
    'Trust bundles',
    ['Trust domain', 'State', 'Authorities', 'Ends', 'Updated'],
    'There is no bundle.',
  );
  readonly #tokens = new TableSection('tokens', 'Tokens', ['SPIFFE ID', 'Audience', 'Ends', 'Received'], 'No token is served.');
  readonly #history = new TableSection(
    'history',
    'History of the Workload API',
    ['When', 'What', 'Of'],
    'It has said nothing yet.',
  );
  readonly #names = new TableSection('names', 'Names', ['Name', 'Kind', 'Versions asked for'], 'No name is served.');
  readonly #values = new TableSection('configuration', 'Configuration', ['Setting', 'Value', 'From'], 'There is none.');

  /** In the order of the page. */
  readonly #all = [
    this.#identities,
    this.#workloads,
    this.#envoys,
    this.#held,
    this.#nacks,
    this.#bundles,
    this.#tokens,
    this.#history,
    this.#names,
    this.#values,
  ];

  get elements(): readonly HTMLElement[] {
    return this.#all.map(({ section }) => section);
  }

  show(status: Status): void {
    const { history, configuration, workloads } = status;
    this.#identities.show(status.identities.toSorted((a, b) => a.expires_in - b.expires_in).map(identityRow));
    this.#workloads.show(worstFirst((workloads ?? []).map(workloadRow)));
    this.#envoys.show(worstFirst(status.subscribers.map(envoyRow)));
    this.#held.show(status.held.map(heldRow));
    this.#nacks.show(history.nacks.map((nack, place) => nackRow(nack, place)));
    this.#bundles.show(status.bundles.map(bundleRow));
    this.#tokens.show(status.tokens.map(tokenRow));
    this.#history.show(history.upstream.map(historyRow));
    this.#names.show(status.names.map(nameRow));
    this.#values.show(Object.entries(configuration.values).map(valueRow), true);
    this.#tokens.section.hidden = status.tokens.length === 0;
    this.#workloads.section.hidden = workloads === undefined;
    // There each process has its own.
    this.#names.section.hidden = workloads !== undefined;
    this.#history.rename(`History of the Workload API${workloads === undefined ? '' : ' and the broker'}`);
    this.#identities.rename(workloads === undefined ? 'Identities' : 'Identities of spiffe-sds itself');
  }

  /** @param id of a section */
  open(id: string): void {
    this.#all.find(({ section }) => section.id === id)?.open();
  }

  /** Hides the rows that do not have this text in them. */
  filter(text: string): { readonly shown: number; readonly of: number } {
    const counts = this.#all.map((section) => section.filter(text.toLowerCase()));
    return { shown: counts.reduce((sum, { shown }) => sum + shown, 0), of: counts.reduce((sum, { of }) => sum + of, 0) };
  }
}

function worstFirst(rows: readonly RankedRow[]): readonly RankedRow[] {
  return rows.toSorted((a, b) => a.rank - b.rank);
}
