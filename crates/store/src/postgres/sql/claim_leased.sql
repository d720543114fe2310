update wayleave_journal.epoch
set newest = newest + 1, run = $2, claimed_at = now()
where book = $1
  and exists (
    select 1
    from wayleave_journal.lease l
    where l.book = $3 and l.run = $2 and l.state = 'held'
  )
returning newest
