-- Certificates of custom domains, ordered from an authority. A row is made for a domain and outlives it only until its
-- objects are gone from the bucket, so there is no reference.
create table certificates (
  host text primary key,
  state text not null check (state in ('pending', 'ordering', 'issued', 'failed', 'provided')),
  -- Grows with each attempt; a statement of an attempt that was overtaken finds another one.
  fence bigint not null default 0,
  leased_until timestamptz,
  next_attempt_at timestamptz not null,
  failures integer not null default 0,
  failure_kind text check (failure_kind in ('domain', 'authority', 'refused', 'limited', 'internal')),
  failure text,
  -- The order that is under way, and the key of the certificate that it is for.
  order_url text,
  order_key text,
  -- The newest certificate with its chain, and its key.
  chain text,
  chain_key text,
  not_before timestamptz,
  not_after timestamptz,
  -- SHA-256 of the certificate that was put into the bucket last.
  installed text,
  created_at timestamptz not null default now(),
  check ((order_url is null) = (order_key is null)),
  check ((chain is null) = (chain_key is null))
);
create index certificates_next_attempt on certificates (next_attempt_at);
-- Orders that were placed: what the limit for an hour is counted from.
create table certificate_orders (
  id bigint generated always as identity primary key,
  host text not null,
  placed_at timestamptz not null
);
create index certificate_orders_placed on certificate_orders (placed_at);
-- One account for each authority; keys are sealed.
create table acme_accounts (
  directory_url text primary key,
  account_key text not null,
  account_url text,
  created_at timestamptz not null default now()
);
