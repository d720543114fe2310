-- A ledger as small as double entry allows, for comparison: accounts with their sums, one row for
-- a transfer, two for its entries. Everything that ours promises beside (a log, salts, holds,
-- limits, signed answers) is absent.
create schema peer;

create table peer.account (
  id bigint primary key,
  may_owe boolean not null,
  debits bigint not null default 0,
  credits bigint not null default 0,
  check (may_owe or debits <= credits)
) with (fillfactor = 50);

create table peer.transfer (
  id uuid primary key,
  debit bigint not null,
  credit bigint not null,
  amount bigint not null check (amount > 0),
  at timestamptz not null default now(),
  check (debit <> credit)
);

create table peer.entry (
  account bigint not null,
  number bigint generated always as identity,
  transfer uuid not null,
  amount bigint not null,
  balance bigint not null,
  primary key (account, number)
);

-- One transfer under a caller's id: once, however often it is called.
create function peer.post(id_ uuid, debit_ bigint, credit_ bigint, amount_ bigint) returns text
language plpgsql as $$
declare
  owed bigint;
  owned bigint;
begin
  -- In the order of ids, so that two transfers between the same accounts cannot wait in a circle.
  perform from peer.account where id in (debit_, credit_) order by id for update;
  insert into peer.transfer (id, debit, credit, amount) values (id_, debit_, credit_, amount_)
  on conflict (id) do nothing;
  if not found then
    return 'exists';
  end if;
  update peer.account set debits = debits + amount_ where id = debit_
  returning credits - debits into owed;
  update peer.account set credits = credits + amount_ where id = credit_
  returning credits - debits into owned;
  if owed is null or owned is null then
    raise exception 'no such account';
  end if;
  insert into peer.entry (account, transfer, amount, balance)
  values (debit_, id_, -amount_, owed), (credit_, id_, amount_, owned);
  return 'posted';
end
$$;

-- Many transfers in one transaction, made up on the spot: what set-based SQL gives when the whole
-- batch stands or falls. Entries carry the balance after the batch.
create function peer.post_many(count_ int, accounts_ bigint) returns void
language plpgsql as $$
begin
  create temporary table if not exists wanted (
    id uuid, debit bigint, credit bigint, amount bigint
  ) on commit delete rows;
  insert into wanted
  select gen_random_uuid(), debit, 1 + (debit - 1 + step) % accounts_, amount
  from (
    select
      1 + floor(random() * accounts_)::bigint as debit,
      1 + floor(random() * (accounts_ - 1))::bigint as step,
      1 + floor(random() * 1000)::bigint as amount
    from generate_series(1, count_)
  ) made;
  perform from peer.account
  where id in (select debit from wanted union select credit from wanted)
  order by id for update;
  insert into peer.transfer (id, debit, credit, amount)
  select id, debit, credit, amount from wanted;
  update peer.account a
  set debits = a.debits + s.debits, credits = a.credits + s.credits
  from (
    select account, sum(debits) as debits, sum(credits) as credits
    from (
      select debit as account, amount as debits, 0 as credits from wanted
      union all
      select credit, 0, amount from wanted
    ) sides
    group by account
  ) s
  where a.id = s.account;
  insert into peer.entry (account, transfer, amount, balance)
  select a.id, e.transfer, e.amount, a.credits - a.debits
  from (
    select debit as account, id as transfer, -amount as amount from wanted
    union all
    select credit, id, amount from wanted
  ) e join peer.account a on a.id = e.account;
end
$$;

-- One account that may owe (0) has given each other one more than a bench can spend.
create function peer.open_accounts(accounts_ bigint) returns void
language plpgsql as $$
begin
  truncate peer.account, peer.transfer, peer.entry;
  insert into peer.account (id, may_owe, credits)
  select id, false, 1000000000000 from generate_series(1, accounts_) id;
  insert into peer.account (id, may_owe, debits)
  values (0, true, 1000000000000 * accounts_);
end
$$;

-- What must hold after a run, in one line: transfers, and whether everything adds up.
create view peer.standing as
select
  (select count(*) from peer.transfer) as transfers,
  (select sum(debits) = sum(credits) from peer.account)
    and (select count(*) = 2 * (select count(*) from peer.transfer)
           and coalesce(sum(amount), 0) = 0 from peer.entry)
    and not exists (
      select from peer.account a
      left join (select account, sum(amount) as amount from peer.entry group by account) e
        on e.account = a.id
      where a.id <> 0 and a.credits - a.debits <> 1000000000000 + coalesce(e.amount, 0)
    ) as sound,
  pg_total_relation_size('peer.account') + pg_total_relation_size('peer.transfer')
    + pg_total_relation_size('peer.entry') as bytes,
  (select wal_bytes from pg_stat_wal) as wal_bytes,
  (select wal_sync from pg_stat_wal) as syncs,
  (select wal_sync_time from pg_stat_wal) as sync_ms;
