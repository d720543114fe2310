-- What else two cores over one database must share.

-- The keys of salts, apart from the journal: a key can be erased, a batch cannot.
create table wayleave_journal.salt_key (
  book text collate "C" not null,
  slot bigint not null check (slot >= 0),
  -- Null once erased.
  key bytea check (octet_length(key) = 32),
  primary key (book, slot)
);

-- Who serves a book, for whoever waits to do so. It decides nothing: the epoch is the fence.
create table wayleave_journal.lease (
  book text collate "C" primary key,
  -- Where the holder serves.
  holder text not null,
  run bytea not null check (octet_length(run) = 16),
  -- Grows by one with every sign of life.
  beat bigint not null check (beat > 0),
  state text not null check (state in ('held', 'released')),
  beaten_at timestamptz not null default now()
);
