//! Makes changes: reads sources, executes plans, keeps the journal.
