// SPDX-License-Identifier: Apache-2.0
// Files that go with a message, as text. They are read here, in the browser; the server gets text.

import { Attachment } from "./chat.js";

const mostBytes = 20 << 20;
const mostCharacters = 400_000;
let pdf: Promise<typeof import("pdfjs")> | null = null;

async function pdfText(bytes: Uint8Array): Promise<string> {
  pdf ??= import("pdfjs");
  const library = await pdf;
  library.GlobalWorkerOptions.workerSrc = "/page/pdf.worker.js";
  const document = await library.getDocument({ data: bytes, isEvalSupported: false, useSystemFonts: true }).promise;
  let text = "";
  for (let number = 1; number <= document.numPages && text.length < mostCharacters; ++number) {
    const { items } = await (await document.getPage(number)).getTextContent();
    text += items.map((item) => item.str + (item.hasEOL ? "\n" : "")).join("") + "\n\n";
  }
  return text;
}

// Throws a sentence for people: too large, not text, empty.
export async function readFile(file: File): Promise<Attachment> {
  if (file.size > mostBytes) throw new Error(`${file.name} is larger than ${mostBytes >> 20} MB.`);
  const bytes = new Uint8Array(await file.arrayBuffer());
  const isPdf = String.fromCharCode(...bytes.subarray(0, 5)) === "%PDF-";
  let text: string;
  try {
    text = isPdf ? await pdfText(bytes) : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(isPdf ? `${file.name} is a PDF that cannot be read.` : `${file.name} is neither text nor PDF.`);
  }
  if (text.includes("\0")) throw new Error(`${file.name} is neither text nor PDF.`);
  if (!text.trim()) throw new Error(`${file.name} has no text in it.`);
  if (text.length > mostCharacters) throw new Error(`${file.name} has more than ${mostCharacters.toLocaleString()} characters.`);
  return { name: file.name, text };
}
