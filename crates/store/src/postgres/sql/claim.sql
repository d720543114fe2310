update wayleave_journal.epoch
set newest = newest + 1, run = $2, claimed_at = now()
where book = $1
returning newest
