-- How many lines a build has written, and how many of the oldest were dropped because of the cap.
alter table builds add column log_count bigint not null default 0;
alter table builds add column log_dropped bigint not null default 0;
