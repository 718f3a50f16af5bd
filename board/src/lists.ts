// Lists from the server that follow a search and what happens.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "./api";

const TYPING_MS = 250;

/**
 * Call `load` at first, when the search changes, and again when `newest` does: it is empty while no server answers.
 * `pause`: milliseconds between two reads of the same, however much happens.
 */
export function useReload(load: () => Promise<void>, search: unknown, newest: string, pause: number): void {
  const loadedAt = useRef(0);
  const seen = useRef(newest);
  const run = async () => {
    loadedAt.current = performance.now();
    seen.current = newest;
    await load();
    loadedAt.current = performance.now();
  };
  useEffect(() => {
    const timer = setTimeout(run, loadedAt.current ? TYPING_MS : 0);
    return () => clearTimeout(timer);
  }, [search]);
  useEffect(() => {
    if (!newest || newest === seen.current) return;
    const timer = setTimeout(run, Math.max(0, loadedAt.current + pause - performance.now()));
    return () => clearTimeout(timer);
  }, [newest]);
}

interface Page<Row> {
  rows: Row[];
  /** Where older rows begin. */
  next?: number;
}

interface Found<Row> extends Page<Row> {
  search: unknown;
  hasOlder: boolean;
}

/** What a search finds: the newest rows, and older ones once `loadOlder` was called. Older rows stay when new ones come. */
export function useList<Row>(
  fetch: (before?: number) => Promise<Page<Row>>,
  keyOf: (row: Row) => string,
  search: unknown,
  newest: string,
  pause: number,
) {
  const [found, setFound] = useState<Found<Row>>();
  const [trouble, setTrouble] = useState("");
  const current = useRef(search);
  current.current = search;
  const load = async (before?: number) => {
    try {
      const page = await fetch(before);
      if (search !== current.current) return; // it has changed meanwhile
      setFound((known) => joined(known, page, search, before !== undefined, keyOf));
      setTrouble("");
    } catch (why) {
      setTrouble((why as Problem).message);
    }
  };
  useReload(load, search, newest, pause);
  return { rows: found?.rows, next: found?.next, trouble, loadOlder: () => void load(found?.next) };
}

function joined<Row>(
  known: Found<Row> | undefined,
  page: Page<Row>,
  search: unknown,
  isOlder: boolean,
  keyOf: (row: Row) => string,
): Found<Row> {
  const [first, last] = isOlder ? [known?.rows ?? [], page.rows] : [page.rows, known?.rows ?? []];
  const keys = new Set(first.map(keyOf));
  const rest = last.filter((row) => !keys.has(keyOf(row)));
  const doMeet = isOlder || (known?.hasOlder && rest.length < last.length);
  if (!known || known.search !== search || !doMeet) return { ...page, search, hasOlder: false };
  const { next } = isOlder ? page : known;
  return { rows: [...first, ...rest], ...(next !== undefined && { next }), search, hasOlder: true };
}
