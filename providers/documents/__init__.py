"""Papers as PDF, in every script: fpdf2 with text shaping by HarfBuzz, and fonts of its own."""
