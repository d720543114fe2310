select bytes
from wayleave_journal.batch
where book = $1 and first = $2
