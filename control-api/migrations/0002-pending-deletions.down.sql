drop table pending_deletions;
