-- Users, what they may touch, and what they deploy. Every id is a random UUID (version 4) made by the program.

create table users (
  id uuid primary key,
  name text not null unique,
  is_admin boolean not null default false,
  created_at timestamptz not null default now()
);

create table organizations (
  id uuid primary key,
  name text not null unique,
  created_at timestamptz not null default now()
);

create table memberships (
  organization_id uuid not null references organizations (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  role text not null check (role in ('owner', 'admin', 'member', 'viewer')),
  created_at timestamptz not null default now(),
  primary key (organization_id, user_id)
);
create index memberships_by_user on memberships (user_id);

-- Only the SHA-256 of a token is kept: tokens are 256 random bits, so that a slow hash would add nothing.
create table api_tokens (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  name text not null,
  hash text not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz
);
create index api_tokens_by_user on api_tokens (user_id);

create table projects (
  id uuid primary key,
  organization_id uuid not null references organizations (id),
  ref text not null unique check (ref ~ '^[a-z]{10}$'),
  name text not null unique,
  github_installation_id bigint,
  github_repository text,
  created_at timestamptz not null default now()
);
create index projects_by_organization on projects (organization_id);

create table environments (
  id uuid primary key,
  project_id uuid not null references projects (id) on delete cascade,
  name text not null,
  current_revision_id uuid,
  unique (project_id, name)
);

create table environment_revisions (
  id uuid primary key,
  environment_id uuid not null references environments (id) on delete cascade,
  number integer not null,
  names text[] not null,
  -- Sealed with the installation's key and this row's id, or JSON in clear where no key is configured.
  variables text not null,
  is_sealed boolean not null,
  created_by uuid references users (id) on delete set null,
  created_at timestamptz not null default now(),
  unique (environment_id, number)
);
alter table environments
  add constraint environments_current_revision foreign key (current_revision_id)
  references environment_revisions (id);

-- A deployment refers to a revision for ever, so a revision never changes.
create function refuse_revision_change() returns trigger language plpgsql as $$
begin
  if new.id <> old.id or new.environment_id <> old.environment_id or new.number <> old.number
    or new.names <> old.names or new.variables <> old.variables or new.is_sealed <> old.is_sealed then
    raise exception 'a revision of an environment never changes';
  end if;
  return new;
end
$$;
create trigger environment_revisions_are_immutable before update on environment_revisions
  for each row execute function refuse_revision_change();

-- The order in which deployments began, and in which tracks were pointed elsewhere: grows, never repeats.
create sequence deployment_order as bigint;

create table tracks (
  id uuid primary key,
  project_id uuid not null references projects (id) on delete cascade,
  name text not null,
  -- What the track shows.
  deployment_id uuid,
  -- A deployment begun before this point does not take the track: the order of what is shown, or of the rollback.
  shown_order bigint not null default 0,
  -- How many successful deployments are kept besides the one shown; null means the installation's default.
  retention integer check (retention >= 0),
  created_at timestamptz not null default now(),
  unique (project_id, name)
);

create table deployments (
  id uuid primary key,
  project_id uuid not null references projects (id) on delete cascade,
  track_id uuid not null references tracks (id) on delete cascade,
  sequence bigint not null unique default nextval('deployment_order'),
  status text not null check (status in ('pending', 'deploying', 'success', 'failed')),
  -- json, not jsonb: answered far more often than looked into, and answered as it was written.
  config json not null,
  files integer not null,
  functions integer not null,
  bytes bigint not null,
  source json,
  requested_domains text[] not null default '{}',
  environment_revision_id uuid references environment_revisions (id),
  failure text,
  created_by uuid references users (id) on delete set null,
  created_at timestamptz not null default now(),
  -- When the deploying client was last heard of: one that is silent for long is given up.
  touched_at timestamptz not null default now(),
  finished_at timestamptz,
  -- When a track showed it last; null when none ever did.
  shown_at timestamptz
);
create index deployments_by_project on deployments (project_id, sequence desc);
create index deployments_by_track on deployments (track_id, sequence desc);
create index deployments_unfinished on deployments (touched_at) where status in ('pending', 'deploying');
alter table tracks
  add constraint tracks_deployment foreign key (deployment_id) references deployments (id);

-- What a project has in the bucket by content hash. `missing`: asked for, not there yet.
create table objects (
  project_id uuid not null references projects (id) on delete cascade,
  hash text not null check (hash ~ '^[0-9a-f]{64}$'),
  size bigint not null check (size >= 0),
  state text not null check (state in ('missing', 'stored')),
  created_at timestamptz not null default now(),
  primary key (project_id, hash)
);

-- Who needs an object; an object that nobody needs is collected.
create table deployment_objects (
  deployment_id uuid not null references deployments (id) on delete cascade,
  project_id uuid not null,
  hash text not null,
  primary key (deployment_id, hash),
  foreign key (project_id, hash) references objects (project_id, hash)
);
create index deployment_objects_by_hash on deployment_objects (project_id, hash);

-- What came of encoding a file once: the encoded form, or null where it would not have saved enough.
create table encoded_forms (
  project_id uuid not null,
  hash text not null,
  coding text not null check (coding in ('br', 'zstd', 'gzip')),
  form_hash text,
  form_size bigint,
  primary key (project_id, hash, coding),
  foreign key (project_id, hash) references objects (project_id, hash) on delete cascade
);
create index encoded_forms_by_form on encoded_forms (project_id, form_hash);

-- Revisions of mappings come from one sequence, so that they grow even where a host is removed and added again.
create sequence domain_revision as bigint;

create table domains (
  host text primary key,
  project_id uuid not null references projects (id) on delete cascade,
  track_id uuid references tracks (id) on delete cascade,
  deployment_id uuid references deployments (id) on delete cascade,
  kind text not null check (kind in ('track', 'deployment', 'custom')),
  rev bigint not null default nextval('domain_revision'),
  created_at timestamptz not null default now(),
  check ((kind = 'deployment') = (track_id is null))
);
create index domains_by_project on domains (project_id);
create index domains_by_track on domains (track_id);
create index domains_by_deployment on domains (deployment_id);

-- Changes of mappings that are committed but that the cache has not been told of yet.
create table pending_flips (
  host text primary key,
  rev bigint not null,
  created_at timestamptz not null default now()
);

create table builds (
  id uuid primary key,
  project_id uuid not null references projects (id) on delete cascade,
  track text not null,
  status text not null check (status in ('pending', 'in_progress', 'completed', 'failed')),
  source json,
  deployment_id uuid references deployments (id) on delete set null,
  created_by uuid references users (id) on delete set null,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index builds_by_project on builds (project_id, created_at desc);

create table build_logs (
  build_id uuid not null references builds (id) on delete cascade,
  position bigint not null,
  entry json not null,
  primary key (build_id, position)
);
