"""The numbered notebooks, headless: `python -m rag_lib.run --edition offline --out runs/offline`."""
