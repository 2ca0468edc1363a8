"""Words that stand around a letter once an answer is announced, in all languages at once.

Regex fragments like those of `answer_patterns`: "the answer is [option] B [, because]".
"""

from dataclasses import dataclass

__all__ = ["SHARED", "Shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """Words of all languages that stand around a letter once a statement has begun."""

    fillers: str
    """Between tie and letter: option, la, therefore."""
    negations: str
    """Before a letter that is not the answer: not, 不是."""
    contrasts: str
    """From the negated letter to the answer: but, 而是."""
    negated: str
    """After a letter that is not the answer: 가 아니라."""
    ands: str
    """Between two letters that are both meant."""
    ors: str
    """Between two letters of which one is meant: no answer."""
    among: str
    """After letters of which one is meant: 중."""
    doubts: str
    """After a letter that only may be the answer, or is asked about: 일 수도."""
    also: str
    """Before a letter that is one of several, the others being named elsewhere."""
    odds: str
    """After a letter that is only likely: 일 가능성."""
    words: str
    """Words that may follow a letter and a space: because, is."""
    particles: str
    """What may follow a letter directly in Korean, Chinese and Japanese: 입니다, 项, です."""
    counters: str
    """What belongs to the letter or the number before it: 번, 选项."""
    endings: str
    """What may close a line that is nothing but an answer: 입니다, です."""
    because: str
    """What may follow yes or no without a comma."""
    turns: str
    """What opens a sentence that doubts the one before: but, 하지만."""
    conditions: str
    """What opens a sentence that supposes another case: if, 만약."""
    disbelief: str
    """Before a letter that is held to be wrong: I do not think."""


SHARED = Shared(
    fillers=(
        r"(?:options?|choices?|letters?|answers?|numbers?|statements?|the|therefore|thus|clearly"
        r"|indeed|hence|definitely|only|both|either|la|le|las|les|el|los|lettres?|propositions?"
        r"|r[ée]ponses?|opci[óo]n|opciones|letras?|respuestas?|alternativas?|donc|bien|sont|est"
        r"|вариант(?:ом|а)?|под|буквой|буква|ответа?|опция|номер)(?![^\W_])"
        r"|(?:as\s)?follows|다음과\s같[가-힣]{1,3}|如下|以下の通り(?:です)?|次の通り(?:です)?"
        r"|l'|선택지|보기|옵션|역시|바로|제(?=[1-9])|选项|選項|第(?=[1-9一])|選択肢|記号|番号"
        r"|(?:は|以下の)?[2-5二三四](?:つ|個)(?:あり|で)?"
    ),
    negations=(
        r"(?:is\s|are\s)?not(?![a-z])|(?:isn|aren)'t|不是|并非|不选|不能选|n'est\spas|ne\ssont\spas"
        r"|pas(?![a-z])|no\s(?:es|son)(?![a-z])|no(?![a-z])|не(?![а-я])"
    ),
    contrasts=r"(?:but(?:\srather)?|rather|而是|而选|应该?是|mais|plut[ôo]t|sino(?:\sque)?|а)",
    negated=(
        r"(?:번)?\s?(?:이|가|은|는)?\s?(?:아니라|아니고|아니며|아닌|아닙니다|아니다)"
        r"|(?:では|じゃ|で)(?:な(?:く|い)|ありません)|不是|is\snot|n'est\spas"
    ),
    ands=r"(?:and|et|y|и)(?![^\W_])|と|および|及び|和|与|與|及|와|과|그리고",
    ors=r"(?:or|ou|o|или)(?![^\W_])|或者?|还是|か|または|もしくは|또는|혹은|이나|나",
    among=r"\s?(?:중(?=[\s에의])|가운데|のいずれか|のうち|のどれか|之一|中的|之间|사이)",
    doubts=(
        r"\s?(?:번)?\s?(?:(?:일|이|인|가|도|는|은)\s?(?:정답일\s)?"
        r"(?:수도|수\s있|지도|까|지(?![가-힣])|지\s|될\s?수\s?없|맞지\s않)|인가\?"
        r"|かもしれ|でしょうか|だろうか|とは[言い思]|吗|嗎|\?)"
    ),
    also=r"(?:also|[ée]galement|aussi|tambi[ée]n|также|тоже)(?![^\W_])",
    odds=(
        r"\s?(?:번)?\s?(?:(?:일|이|인|가|도|는|은)\s?(?:정답일\s)?(?:가능성|듯|것\s같)"
        r"|の可能性|と思われ|的可能性)"
    ),
    words=(
        r"because|since|as|and|or|is|are|due|which|based|given|but|not|according|explanation|reason"
        r"|rationale|note|therefore|so|hence|thus|however|while|although|when|car|parce|et|ou|est"
        r"|sont|mais|puisque|qui|porque|ya|pues|y|que|es|son|debido|так|потому|и|или|поскольку|ведь"
        r"|being|instead|here|option|choice|only"
    ),
    particles=(
        r"입니다|이다|다(?![가-힣])|이며|이고|번|이|가|을|를|은|는|와|과|로|라|만|임|였|인(?!자)|일|중(?=[\s에의])"
        r"|항(?![가-힣])|에(?=\s?해당)|의|및|项|項|选项|是|为|和|与|及|或|正确|正確|符合|最|因为|所以|才|而|都|均|的"
        r"|です|だ|が|は|と|を|の|で|も|か|のみ|番|および|及び|となる|である|選択|両方|모두|둘\s?다"
    ),
    counters=r"(?:번|番|项|項|选项)",
    endings=(r"(?:번\s?)?(?:입니다|이다|다|임|항|项|項|选项|番?です|番?である|だ|番|(?<=번))"),
    because=(
        r"because|since|as|due|car|parce|puisque|porque|ya que|pues|потому|так как|поскольку|因为"
    ),
    turns=(
        r"(?:but|however|wait|alternatively|hmm|actually|though|let\sme|let's|mais|cependant"
        r"|toutefois|но|однако|pero|sin\sembargo|aunque)(?![^\W_])"
        r"|하지만|그러나|그런데|다만|혹시|但|不过|然而|等等|しかし|ただし|だが|でも"
    ),
    conditions=r"if\s(?!(?:we|you|i)\s)|(?:s'ils?|si(?!\s(?:on|l'on|nous)\s)|если)\s|如果|若|假如|假设|もし|仮に|만약|만일",
    disbelief=r"(?:not|n't)\s(?:think|believe)\s(?:that\s)?(?:(?:the|options?|choices?|answers?)\s){0,2}",
)
