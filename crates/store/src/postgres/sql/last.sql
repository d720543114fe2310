select first, next, epoch, previous, digest, stamp, bytes
from wayleave_journal.batch
where book = $1
order by first desc
limit 1
