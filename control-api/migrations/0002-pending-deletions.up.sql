-- What is to be deleted from the bucket because its rows are gone: noted in the transaction that deletes the rows, so
-- that a crash between the two leaves nothing behind.
create table pending_deletions (
  prefix text primary key,
  created_at timestamptz not null default now()
);
