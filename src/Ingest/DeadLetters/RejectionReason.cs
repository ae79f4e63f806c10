namespace FeatureStore.Ingest.DeadLetters;

/// <summary>Why an event becomes a dead letter.</summary>
public enum RejectionReason
{
    /// <summary>It does not.</summary>
    None,
    TooLarge,
    MalformedJson,
    WrongType,
    NotWhole,
    OutOfRange,
    TextTooLong,
    BadTimestamp,
    MissingTimestamp,
    TooLate,
    TooFarAhead,
    KeyMissing,
    KeyTooLong,
    Cleaning,
    ModelFailure,
}

/// <summary>What makes a value no JSON object.</summary>
public enum JsonProblem
{
    None,
    Empty,
    ByteOrderMark,
    NotAnObject,
    EndsEarly,
    NameExpected,
    ColonExpected,
    ValueExpected,
    CommaExpected,
    BadNumber,
    BadEscape,
    LoneSurrogate,
    ControlCharacter,
    InvalidUtf8,
    TooDeep,
    TrailingBytes,
}

/// <summary>Kind of a JSON value.</summary>
public enum JsonKind
{
    Null,
    Bool,
    Number,
    String,
    Object,
    Array,
}
