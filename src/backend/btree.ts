import { createRequire } from 'node:module';
import type sortedBtree from 'sorted-btree';

// sorted-btree is CommonJS with a `default` of its own, which Node and test runners unwrap differently.
const { default: Tree } = createRequire(import.meta.url)('sorted-btree') as { default: typeof sortedBtree.default };

/** An ordered map: insert, delete and seek in logarithmic time, ranges in order. */
export const BTree = Tree;
export type BTree<K, V> = InstanceType<typeof Tree<K, V>>;
