/** Other people's words: names in claims, messages of registries. */

/** Control characters, line breaks, direction marks, invisible ones. */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Whether a text has characters that people do not see, or that do more than be shown. */
export function needsEscape(text: string): boolean {
  return text.search(UNSEEN) >= 0;
}

/** A text that others wrote, for a line or a terminal. */
export function escaped(text: string): string {
  return text.replace(UNSEEN, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
}
