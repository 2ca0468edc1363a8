"""How seven languages state an answer: regex fragments, read by `answer_reader` and `extract`.

The fragments meet cleaned text (`answer_reader.clean`): lower case, half width, no markdown, every
bracket a round one, every quote straight, 。and 、as `.` and `,`. Accents are optional where models
drop them. A fragment never holds an unbounded repeat of an unbounded repeat (linear time).
"""

from dataclasses import dataclass

__all__ = ["ANSWER_KEYS", "LANGUAGES", "REASONING_TAGS", "SHARED", "Language"]


@dataclass(frozen=True, slots=True)
class Language:
    """One language's ways to state an answer."""

    names: str
    """What calls something the answer; a tie and a letter follow: answer, 정답."""
    ties: str
    """What ties that name to a letter: is, :, 은."""
    guesses: str = r"(?!)"
    """Ties that only guess: might be."""
    picks: str = r"(?!)"
    """What needs no tie: I choose, 故选."""
    spoilers: str = r"(?!)"
    """What may stand before a name or a pick and takes its meaning: incorrect, if."""
    verdicts: str = r"(?!)"
    """What follows the letter and calls it the answer: is the answer, 가 정답."""
    praises: str = r"(?!)"
    """What follows the letter and calls it right: is correct (also said of single options)."""
    leads: str = r"(?!)"
    """Weak openings before a letter that ends the sentence: therefore."""
    lead_words: str = r"(?!)"
    """Words that may stand right before a letter that a verdict or a praise follows: option, so."""
    denials: str = r"(?!)"
    """What takes the answer out of a sentence that quotes an option: not, 아니."""
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()


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
    """After a letter that is only a guess: 일 가능성."""
    words: str
    """Words that may follow a letter and a space: because, is."""
    particles: str
    """What may follow a letter directly in Korean, Chinese and Japanese: 입니다, 项, です."""
    endings: str
    """What may close a line that is nothing but an answer: 입니다, です, is correct."""
    because: str
    """What may follow yes or no without a comma."""


REASONING_TAGS = "think|thinking|thought|thoughts|reasoning|reflection"

ANSWER_KEYS = (
    r"(?:(?:the|my|final|correct|right|best|model|predicted|selected|chosen|최종|정확한|最终|最終|正确"
    r"|正確|bonnes?|r[ée]ponses?|la|respuesta|правильный|верный|итоговый)[_ -]?){0,3}"
    r"(?:answers?|choices?|options?|ans|prediction|정답|답변|답안|답|答案|选项|答え|解答|回答|正解|答"
    r"|r[ée]ponses?|finales?|respuestas?|opci[óo]n|correctas?|final|ответы?|вариант)"
    r"(?:[_ -]?(?:choices?|letters?|options?|keys?|idx|index|번호|finales?|correctas?|correctes?"
    r"|ответа))?"
)

_EN_BEST = (
    r"(?:correct|right|best|final|likely|appropriate|accurate|suitable|probable|plausible|fitting)"
)

_EN = Language(
    names=(
        r"answers?(?:[ _](?:choice|option|letter|key)s?)?(?:\(s\))?"
        r"(?:\s(?:to|for|among|in|of|from|here|based|that|we|i)\b[^.:;?\n]{0,80}?(?=\s(?:is|are)\s))?"
        rf"|{_EN_BEST}\s(?:option|choice|statement|response|letter|selection|alternative|one)s?"
        rf"(?:\s(?:to|for|among|in|of|from|here|based)\b[^.:;?\n]{{0,80}}?(?=\s(?:is|are)\s))?"
        r"|final\schoice|my\s(?:choice|pick)|ans\b\.?|solution"
    ),
    ties=r"(?:is|are|was|would\sbe|should\sbe|must\sbe|will\sbe|remains)(?:\s*:)?|[:=]|-+>?",
    guesses=(
        r"(?:may|might|could|can)\s(?:well\s)?be|(?:seems|appears)(?:\sto\sbe)?"
        r"|(?:is|would\sbe)\s(?:most\s|very\s)?(?:likely|probably|possibly|perhaps|presumably|maybe)"
    ),
    picks=(
        r"(?:i|we)(?:'d|'ll|\swould|\swill|\sshould|\smust)?\s(?:therefore\s|thus\s|then\s)?"
        r"(?:choose|chose|select|selected|pick|picked|answer|go\swith|opt\sfor|conclude\swith)"
        r"|(?:i\sam|i'm)\s(?:going\swith|choosing|selecting|picking)"
    ),
    spoilers=(
        r"(?:[^\W_]|\b(?:in|un)|\b(?:incorrect|wrong|if|whether|suppose|assuming|another|other|least"
        r"|not|never|possible|common|n't)\s(?:(?:the|your|my|an?|final|correct|best|right)\s){0,3})"
    ),
    verdicts=(
        rf"(?:is|would\sbe|must\sbe|should\sbe|as)\s(?:therefore\s|thus\s|clearly\s|indeed\s)?"
        rf"(?:(?:the|my|our)\s(?:single\s|most\s)?(?:{_EN_BEST}\s)?answer"
        rf"|the\s(?:single\s|most\s)?{_EN_BEST}\s(?:choice|option|response)"
        r"|the\scorrect\s(?:one|statement))"
    ),
    praises=r"(?:is|are)\s(?:the\s)?(?:most\s)?(?:correct|right|accurate|appropriate)(?!\s*\?)",
    leads=r"(?:therefore|thus|hence|so)\s?,?\s",
    lead_words=(
        r"(?:options?|choices?|answers?|letters?|statements?|so|thus|therefore|hence|that|think|only"
        r"|believe|and|conclude|say|clearly|means|making|with|of)\s"
    ),
    denials=(
        r"\b(?:not|no|never|none|neither|nor|cannot|incorrect|wrong|false|except|excluding|unlike"
        r"|rather\sthan|instead\sof|rules?\sout|ruled\sout|unlikely|less\slikely|however|whether)\b"
        r"|n't\b"
    ),
    yes=("yes",),
    no=("no",),
    maybe=("maybe", "uncertain"),
)

_ZH = Language(
    names=(
        r"答案|正确(?:的)?(?:选项|说法|选择|做法)|正确的|最佳(?:选项|选择)|正確(?:的)?(?:選項|說法)"
        r"|答(?=\s?:)"
    ),
    ties=r"(?:应该?|應該?|就)?(?:是|为|為|选择?|選擇?)(?:\s?:)?|[:=]|-+>?",
    guesses=r"(?:很?可能|也许|或许|大概|似乎)(?:是|为|為)",
    picks=r"(?:本题|故|因此|所以|应该?|應該?|我|可|则|答案)?\s?,?(?:选择|選擇|选|選)|故答案",
    spoilers=r"(?:[不别勿未错误待备供挑]|如果|假如|假设|不能|不应|是否)",
    verdicts=r"(?:选?项)?\s?(?:是|为|為)(?:最佳|正确的?|本题的?|最终)?\s?(?:答案|选择|选项)",
    praises=r"(?:选?项)?\s?(?:是|最|的说法|的描述|说法|描述)?(?:正确|符合题意|最合适|最恰当)(?:的)?",
    leads=r"(?:因此|所以|综上|故|即)\s?,?\s?(?:是|为)?",
    lead_words=r"(?:选项|選項|因此|所以|故|只有|则|即|选择|认为|而|综上|,)\s?",
    denials=r"[不非没无未错誤误]|排除|除外|除了|而是",
    yes=("是", "是的", "对", "正确"),
    no=("否", "不", "不是", "错误"),
    maybe=("也许", "可能", "不确定"),
)

_JA = Language(
    names=(
        r"正解|答え|答(?=\s?[:は])|解答|回答|正答|正しい(?:もの|選択肢|の|組合せ|組み合わせ|記述)"
        r"|適切な(?:もの|選択肢|の)|最終回答"
    ),
    ties=r"(?:は|が|として|:|=|-+>?)(?:\s?[,:])*",
    guesses=r"は?(?:おそらく|たぶん|恐らく)",
    picks=r"よって正解",
    spoilers=r"(?:[不誤]|もし)",
    verdicts=r"(?:が|は)\s?(?:最も)?(?:正解|答え|正答|解答)(?!.{0,6}(?:な[いく]|ありません))"
    r"|を(?:選択|選び|選ぶ|解答)(?!.{0,3}(?:ない|ません))",
    praises=r"(?:が|は)\s?(?:最も)?(?:正しい|適切(?!で[はな])|該当する|妥当(?!で[はな])|考えられる)",
    leads=r"(?:よって|したがって|従って|以上より|ゆえに)\s?,?\s?",
    lead_words=r"(?:選択肢|よって|したがって|従って|以上より|ため|ので|から|は|の|,)\s?",
    denials=r"な[いくし]|ません|ず[,\s]|誤|除外|否定|ではなく|一方",
    yes=("はい",),
    no=("いいえ",),
    maybe=("たぶん", "わからない"),
)

_FR = Language(
    names=(
        r"r[ée]ponses?(?:\s(?:correctes?|exactes?|justes?|finales?|attendues?|vraies?|bonnes?))?"
        r"(?:\s(?:à|a|de|du|pour|parmi)\s[^.:;?\n]{0,80}?(?=\s(?:est|sont)\s))?"
        r"|(?:propositions?|options?|choix|lettres?|affirmations?|items?)\s"
        r"(?:correcte?s?|exacte?s?|justes?|vraie?s?)|bons?\schoix"
    ),
    ties=r"(?:est|sont|serait|seraient|doit\s[êe]tre)(?:\s(?:donc|bien|alors))?(?:\s?:)?|[:=]|-+>?",
    guesses=r"(?:pourrai(?:t|ent)|peut|peuvent)\s[êe]tre|(?:est|serait)\s(?:probablement|peut-[êe]tre)",
    picks=r"je\s(?:choisis|s[ée]lectionne|retiens|coche)|j'opte\spour",
    spoilers=(
        r"(?:[^\W_]|\b(?:mauvaises?|fausses?|si|autres?|aucune|incorrectes?)\s"
        r"(?:(?:la|les|bonnes?)\s){0,2})"
    ),
    verdicts=r"(?:est|sont)\s(?:donc\s|bien\s)?(?:la|les)\s(?:bonnes?\s)?r[ée]ponses?(?!\sfausse)",
    praises=r"(?:est|sont)\s(?:donc\s|bien\s)?(?:correcte?s?|exacte?s?|vraie?s?|justes?)",
    leads=r"(?:donc|ainsi)\s?,?\s",
    lead_words=(
        r"(?:options?|r[ée]ponses?|propositions?|items?|lettres?|la|les|donc|que|et|seule|choix)\s"
    ),
    denials=r"\b(?:pas|ne|non|jamais|aucune?|sauf|incorrecte?|fausse?|plut[ôo]t\sque|cependant)\b|\bn'",
    yes=("oui",),
    no=("non",),
    maybe=("peut-être", "peut-etre"),
)

_RU = Language(
    names=r"ответ(?:ом|ы|а)?|(?:правильн|верн)\w{2,3}\s(?:вариант|букв|выбор)\w{0,3}(?:\sответа)?",
    ties=r"(?:является|это|будет|есть|под\sбуквой)(?:\s?:)?|[:=]|-+>?(?:\sэто\s?:?)?",
    guesses=r"(?:вероятно|возможно|может\sбыть|скорее\sвсего)\s?,?",
    picks=r"(?:выбираю|выбираем|следует\sвыбрать|выберу)",
    spoilers=r"(?:[^\W_]|\b(?:неправильн\w{2,3}|неверн\w{2,3}|если|другой)\s)",
    verdicts=r"(?:-\s?)?(?:является\s|это\s)?(?:правильн|верн)\w{2,3}\s(?:ответ|вариант)\w{0,2}",
    praises=r"(?:-\s?)?(?:является\s)?(?:правильн|верн)(?:ый|ым|о|ая|ой|ы|ен)\b",
    leads=r"(?:следовательно|таким\sобразом|поэтому|итак|значит)\s?,?\s",
    lead_words=r"(?:вариант|ответ|буква|опция|что|поэтому|только|и|следовательно,|значит,)\s",
    denials=r"\b(?:не|нет|ни|кроме|исключ\w*|неверн\w*|неправильн\w*|однако)\b",
    yes=("да",),
    no=("нет",),
    maybe=("возможно", "может быть"),
)

_ES = Language(
    names=(
        r"respuestas?(?:\s(?:m[áa]s\s)?(?:correctas?|finales|final|adecuadas?|acertadas?|probables?))?"
        r"(?:\s(?:a|de|para|entre)\s[^.:;?\n]{0,80}?(?=\s(?:es|son)\s))?"
        r"|(?:opci[óo]n|opciones|alternativas?|letras?|elecci[óo]n)\s(?:m[áa]s\s)?"
        r"(?:correctas?|adecuadas?|acertadas?|probables?)|soluci[óo]n"
    ),
    ties=r"(?:es|son|ser[íi]an?|debe\sser|ser[áa])(?:\s(?:por\stanto|entonces))?(?:\s?:)?|[:=]|-+>?",
    guesses=r"(?:podr[íi]a|puede)\sser|(?:es|ser[íi]a)\s(?:probablemente|posiblemente|quiz[áa]s?)",
    picks=r"(?:elijo|escojo|selecciono|marco|me\squedo\scon|opto\spor|elegimos|elegir[íi]a)",
    spoilers=(
        r"(?:[^\W_]|\b(?:si|otra|otras|falsa|incorrecta|ninguna|cada|mala)\s(?:(?:la|las)\s){0,2})"
    ),
    verdicts=(
        r"(?:es|son)\s(?:por\stanto\s)?las?\s(?:respuestas?(?!\s(?:incorr|fals|err))"
        r"|(?:opci[óo]n|opciones|alternativa)\s(?:m[áa]s\s)?(?:correctas?|adecuadas?|acertada))"
    ),
    praises=r"(?:es|son)\s(?:las?\s)?(?:correct[ao]s?|adecuad[ao]s?|ciert[ao]s?|verdader[ao]s?)",
    leads=r"(?:por\s(?:lo\s)?tanto|as[íi]\sque|entonces)\s?,?\s|es\s(?:la\s)?opci[óo]n\s",
    lead_words=(
        r"(?:opci[óo]n|respuesta|alternativa|letra|la|las|que|tanto|tanto,|solo|opciones|y)\s"
    ),
    denials=r"\b(?:no|nunca|ningun[oa]?|ningún|incorrect[ao]|fals[ao]|salvo|excepto|sin\sembargo)\b",
    yes=("sí", "si"),
    no=("no",),
    maybe=("quizás", "quizá", "tal vez"),
)

_KO = Language(
    names=(
        r"정\s?답(?:\s?번호)?|최종\s?(?:답변|답안|답|선택)|해답|답변|답안|답"
        r"|(?:옳은|맞는|알맞은|올바른|적절한|적합한)\s?(?:것|답|선택지|보기|선택|번호)"
    ),
    ties=r"(?:으로는|으로|은|는|이|가|[:=]|-+>?)(?:\s?(?:바로|역시|[:=,-]))*",
    guesses=r"(?:은|는|이)\s(?:아마도?|혹시)",
    spoilers=r"(?:[대응문해화회]|만약\s?|혹시\s?|옳지\s않은\s?)",
    verdicts=(
        r"(?:\s?번)?\s?(?:이|가|은|는)?\s?(?:가장\s?)?(?:적절한\s?|올바른\s?|옳은\s?|맞는\s?)?(?:정답|답)"
        r"(?!지|변|이\s?아|은\s?아|은?\s?될\s?수\s?없|으로\s?보기\s?어)"
        r"|(?:\s?번)?\s?(?:을|를)\s?(?:선택(?!지)|고르|골라|고른|택)(?!지\s?않)"
    ),
    praises=(
        r"(?:\s?번)?\s?(?:이|가|은|는)\s?(?:가장\s?)?(?:옳(?!지)|맞(?!지)|올바르(?!지)|올바른|정확(?!하지)"
        r"|적절(?!하지|치)|적합(?!하지)|타당(?!하지))"
    ),
    leads=r"(?:따라서|그러므로|결국|결론적으로|그래서)\s?,?\s?",
    lead_words=r"(?:따라서|그러므로|선택지|보기|옵션|즉|그래서|결국|결론적으로|번|는|은|의|중|중에서|,)\s?",
    denials=r"아니|아닌|아닙|않|없|못|틀|잘못|제외|부적절|하지만|그러나|반면",
    yes=("예", "네"),
    no=("아니오", "아니요"),
    maybe=("아마도", "모름"),
)

LANGUAGES = {"en": _EN, "zh": _ZH, "ja": _JA, "fr": _FR, "ru": _RU, "es": _ES, "ko": _KO}

SHARED = Shared(
    fillers=(
        r"(?:options?|choices?|letters?|answers?|numbers?|statements?|the|therefore|thus|clearly"
        r"|indeed|hence|definitely|only|both|either|la|le|las|les|el|los|lettres?|propositions?"
        r"|r[ée]ponses?|opci[óo]n|opciones|letras?|respuestas?|alternativas?|donc|bien|sont|est"
        r"|вариант(?:ом|а)?|под|буквой|буква|ответа?|опция|номер)(?![^\W_])"
        r"|l'|선택지|보기|옵션|역시|바로|제(?=[1-9])|选项|選項|第(?=[1-9一])|選択肢|記号|番号"
        r"|(?:は|以下の)?[2-5二三四](?:つ|個)(?:あり|で)?"
    ),
    negations=(
        r"(?:is\s|are\s)?not(?![a-z])|(?:isn|aren)'t|不是|并非|不选|不能选|n'est\spas|ne\ssont\spas"
        r"|n'est\spas|pas(?![a-z])|no\s(?:es|son)(?![a-z])|no(?![a-z])|не(?![а-я])"
    ),
    contrasts=r"(?:but(?:\srather)?|rather|而是|而选|应该?是|mais|plut[ôo]t|sino(?:\sque)?|а)",
    negated=(
        r"(?:번)?\s?(?:이|가|은|는)?\s?(?:아니라|아니고|아니며|아닌|아닙니다|아니다)"
        r"|(?:では|じゃ|で)な(?:く|い)|不是|is\snot|n'est\spas"
    ),
    ands=r"and|et|y|и|e(?=\s[A-Z](?![a-z]))|と|および|及び|和|与|與|及|와|과|그리고|및",
    ors=r"or|ou|o|или|或者?|还是|か|または|もしくは|또는|혹은|이나|나",
    among=r"\s?(?:중|가운데|のいずれか|のうち|のどれか|之一|中的|之间|사이)",
    doubts=(
        r"\s?(?:번)?\s?(?:(?:일|이|인|가|도|는|은)\s?(?:정답일\s)?"
        r"(?:가능성|수도|수\s있|지도|듯|까|것\s같|지(?![가-힣])|지\s)"
        r"|かもしれ|の可能性|でしょうか|だろうか|的可能性|吗|嗎)"
    ),
    words=(
        r"because|since|as|and|or|is|are|due|which|based|given|but|not|according|explanation|reason"
        r"|rationale|note|therefore|so|hence|thus|however|while|although|when|car|parce|et|ou|est"
        r"|sont|mais|puisque|qui|porque|ya|pues|y|que|es|son|debido|так|потому|и|или|поскольку|ведь"
        r"|since|being|instead|here|option|choice|only"
    ),
    particles=(
        r"입니다|이다|다(?![가-힣])|이며|이고|번|이|가|을|를|은|는|와|과|로|라|만|임|였|인|일|중|항|에|의|및|또|그"
        r"|项|項|选项|是|为|和|与|及|或|正确|正確|符合|最|因为|所以|才|而|都|均|的"
        r"|です|だ|が|は|と|を|の|で|も|か|のみ|番|および|及び|となる|である|選択"
    ),
    endings=(
        r"(?:번|항|입니다|이다|다|임|项|項|选项|です|である|だ|番|が正解|is\s(?:the\s)?correct(?:\sanswer)?"
        r"|is\sthe\sanswer|are\scorrect|정답|가\s정답(?:입니다|이다)?|est\scorrecte?|es\scorrecta?)"
    ),
    because=r"because|since|as|due|car|parce|puisque|porque|ya que|pues|потому|так как|поскольку|因为",
)
