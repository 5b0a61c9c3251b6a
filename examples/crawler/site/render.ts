import { Marked } from "marked";

/** A whole HTML page around what a Markdown document says. */
export function renderPage(title: string, markdown: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<nav><a href="/">Contents</a></nav>
<main>
${renderMarkdown(markdown)}</main>
</body>
</html>
`;
}

export const style = `body { max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
pre { overflow-x: auto; padding: 1rem; background: #8881 }
table { border-collapse: collapse } td, th { padding: 0.2rem 0.6rem; border: 1px solid #8884; text-align: left }
`;

function renderMarkdown(markdown: string): string {
  const ids = new Map<string, number>();
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const id = headingId(this.parser.parseInline(tokens, this.parser.textRenderer), ids);
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, text }) {
        // A document may tell where a server of the reader's own will listen; nobody listens there now.
        return /^https?:\/\/(localhost|127\.0\.0\.1)(?=[:/?#]|$)/.test(href) ? escapeHtml(text) : false;
      },
    },
  });
  return marked.parse(markdown, { async: false });
}

/** The id that GitHub gives a heading, so that links made for it work here. */
function headingId(text: string, ids: Map<string, number>): string {
  const id = text
    .replace(/&[a-z0-9#]+;/gi, "")
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Mark}\p{Number}\p{Connector_Punctuation} -]/gu, "")
    .replaceAll(" ", "-");
  const earlier = ids.get(id) ?? 0;
  ids.set(id, earlier + 1);
  return earlier === 0 ? id : `${id}-${earlier}`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
