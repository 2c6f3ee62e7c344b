/** Says what went wrong and what to do, in words for whoever is chatting. */

/** `{ title, remedy, detail, settings }`: `detail` is the server's own message; with `settings`, the remedy lies in that dialog. */
export function explain(error, hasKey) {
  const told = (title, remedy, settings = false) => ({ title, remedy, settings, detail: error.status ? error.message : "" });
  const seconds = error.retryAfter ? `in ${error.retryAfter} seconds` : "in a moment";
  if (error.code === "cut_off") return told("The answer broke off", "The connection was lost. Check that the server still runs, then try again.");
  if (isAboutContext(error)) {
    return told("Too long for this model", "Begin a new conversation, shorten the message, or ask for fewer tokens in Settings.", true);
  }
  switch (error.status) {
    case 0:
      return told("The server cannot be reached", `Check that it runs at ${location.origin}, then try again. Your message is kept.`);
    case 401:
    case 403:
      return hasKey
        ? told("The server refused the API key", "Check the key in Settings, then try again.", true)
        : told("The server asks for an API key", "Enter it in Settings, then try again.", true);
    case 404:
      return told("The server does not have this model", "Choose another one at the top.");
    case 413:
      return told("The request is too large", "Shorten the message, or begin a new conversation.");
    case 429:
    case 503:
      return told("The server is busy", `Others are being answered. Try again ${seconds}.`);
    case 400:
    case 422:
      return told("The server did not accept the request", error.param ? `Check “${error.param}” in Settings.` : "Check the fields in Settings.", true);
    default:
      return told("The server failed", "Try again; if it fails again, its log says more.");
  }
}

function isAboutContext(error) {
  if (error.code === "context_length_exceeded") return true;
  return error.status === 400 && /context (length|window|size)|longer than the context|too many tokens/i.test(error.message);
}
