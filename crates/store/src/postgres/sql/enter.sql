insert into wayleave_journal.epoch as e (book, newest, run)
values ($1, 0, decode(repeat('00', 16), 'hex'))
on conflict (book) do update set newest = e.newest
