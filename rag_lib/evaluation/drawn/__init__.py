"""The drawn benchmark: its plan and pictures, the ways of asking, the tables, and the gate for rerankers."""
