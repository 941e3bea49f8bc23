/** The format `web-address`: what a browser would open, and that says nothing but where. A name and password in it would show one host and open another. */
export function isWebAddress(text: string): boolean {
  // `tween-internal:` has a form of its own.
  if (!text.startsWith('https:')) return true;
  const url = URL.parse(text);
  return url !== null && url.username === '' && url.password === '' && !/[\p{Cc}\p{Cf}\\]/u.test(text);
}

/** The format `display-name`: shown to people beside other names, so nothing in it turns or breaks the line, and there is something to see. */
export const isDisplayName = (text: string): boolean => text.trim() !== '' && !/[\p{Cc}\u2028-\u202e\u2066-\u2069]/u.test(text);
