import { baseStyle } from './style-base.ts';
import { listStyle } from './style-lists.ts';
import { partStyle } from './style-parts.ts';

/** The whole style, the same on every page, so that the policy can name it by its hash. */
export const style = `${baseStyle}${partStyle}${listStyle}`;
